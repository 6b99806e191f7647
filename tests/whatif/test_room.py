"""Rooms: what is left of one without its first kind is what is read without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.whatif.loss import each_of
from optimizer.whatif.restart import Restarts
from optimizer.whatif.room import Kind
from tests.whatif.requests import asked

if TYPE_CHECKING:
    from optimizer.whatif.room import Room


def described(room: Room) -> tuple[object, ...]:
    rows = [(r.rule, r.what, r.amount.tolist(), r.left.tolist()) for r in (*room.rows, *room.wishes)]
    couplings = [(c.rule, c.what, c.limit, c.allowed, [m.tolist() for m in c.members]) for c in room.couplings]
    kinds = [(kind.name, kind.vms.tolist(), kind.wanted) for kind in room.kinds]
    return kinds, room.open.tolist(), room.disliked.tolist(), rows, couplings


def test_without_the_first_kind_a_room_is_as_if_it_had_been_read_without() -> None:
    seen = [0, 0, 0]
    for number in range(60):
        case = asked(number)
        restarts, new = Restarts(case.fleet, case.policy), Kind("new", np.array([case.vms[0]], np.int32), 1)
        for loss in each_of(case.fleet, 0):
            with_new, alone = restarts.room(loss, new)[0], restarts.room(loss)[0]
            assert described(with_new.without_first()) == described(alone), f"request {number}, {loss.name}"
            seen = [n + bool(some) for n, some in zip(seen, (alone.rows, alone.wishes, alone.couplings), strict=True)]
    assert min(seen) > 0
