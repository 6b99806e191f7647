"""What the kernels of `host_choices` read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["ChoiceProblem", "ChoiceState"]


class ChoiceProblem(NamedTuple):
    """What kernels read. Amounts are whole parts of what all VMs have in common.

    `amount` [n, R], `host` and `kind` [n] of VMs; `left` [H, R], `fewest` [H] and `allowed` [kinds, H] of hosts; `own`:
    VMs host by host, what frees most first, of host h from `first[h]` on; `needs`: what has to leave host h, from
    `needs[h]` on, where VM i of the host counts `counts[need_at + i]` and `least` is wanted; `shape`, `shift`, `at`:
    rows and width of each table, the shifts that make steps of amounts, and where it begins; fine ones first.
    """

    amount: Ints
    host: Ints
    kind: Ints
    left: Ints
    fewest: Ints
    allowed: NDArray[np.bool_]
    own: Ints
    first: Ints
    needs: Ints
    least: Ints
    need_at: Ints
    counts: Ints
    shape: Ints
    shift: Ints
    at: Ints


class ChoiceState(NamedTuple):
    """What kernels write: tables, one host's search, and what was found. See `kernel_host_choice`."""

    table: NDArray[np.int32]
    pays: NDArray[np.int32]
    priced: Ints
    near: Ints
    list: Ints
    length: Ints
    tried: Ints
    taken: Ints
    best: Ints
    paid: Ints
    room: Ints
    next: Ints
    gone: Ints
    set: Ints
    rest: Ints
    sorted: Ints
    cost: Ints
    freed: Ints
    cheapest: Ints
    largest: Ints
    met: Ints
    still: Ints
    value: Ints
    nodes: Ints
    found: Ints
    counts: Ints
    leaving: NDArray[np.int32]
    coming: NDArray[np.int32]
