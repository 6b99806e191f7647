"""One seed: random plans, carried out under random faults and crashes until they are over; all is written down."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute import admission, loop
from optimizer.execute.drivers.faults import Fault, Faults
from optimizer.verify.verdict import Verdict
from tests.execute.simulation.actor import Actor, Endless
from tests.execute.simulation.checker import violations
from tests.execute.simulation.history import lives_of
from tests.execute.simulation.load import overloads
from tests.execute.simulation.meddling import Mayhem
from tests.execute.simulation.plans import SMALL, some_fleet, some_policy, some_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.execute.simulation.plans import Shape

__all__ = ["Simulation", "simulate", "without_admission"]


@dataclass
class Simulation:
    """What came of a seed.

    Attributes
    ----------
    reached, broken
        The interesting things that happened; what may not.
    steps
        Events that the core took in, and effects that it gave back.
    faults
        What went wrong: faults of the driver, what others did meanwhile, failures of the ledger, crashes.
    moves
        Migrations that the hypervisors began.
    """

    seed: int
    history: list[dict[str, Any]] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    steps: int = 0
    faults: int = 0
    moves: int = 0


def simulate(seed: int, kinds: Collection[Fault | Mayhem] | None = None, shape: Shape = SMALL) -> Simulation:
    """Carry random plans out until they are over; `kinds` of faults, or a random half of them."""
    rng = Random(seed)
    half = [f for f in (*sorted(Fault, key=str), *Mayhem) if rng.random() < 0.5]
    chosen = frozenset(half if kinds is None else kinds)
    fleet, policy = some_fleet(rng, shape), some_policy(rng, seed, shape)
    of_driver = frozenset(f for f in chosen if isinstance(f, Fault))
    faults = Faults(seed, of_driver, rng.uniform(*shape.rate), until_s=shape.until_s)
    faults.blinds, faults.flickers = shape.blinds, shape.flickers
    actor = Actor(rng, fleet, policy, some_settings(rng, seed, shape), faults, chosen, shape)
    out = Simulation(seed, actor.history, actor.reached)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "step", actor.counted)
        try:
            actor.run()
        except Endless as error:
            actor.broken.append(str(error))
    out.steps, out.faults = actor.steps, actor.faults_seen
    out.moves = sum(e["what"] == "start" for e in actor.history)
    out.broken = violations(actor.history, actor.facts)
    out.broken += overloads(actor.history, actor.loads, lives_of(actor.history))
    out.broken += [f"the ledger: {where}: {what}" for where, what in actor.ledger.audit().faults] + actor.broken
    out.reached |= {fault.name for fault in actor.faults.reached}
    return out


@contextmanager
def without_admission() -> Iterator[None]:
    """Let plans in that no planner made: the executor is tried here, not the plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
        patch.setattr(admission, "_refuse_changed", lambda *_: None)
        yield
