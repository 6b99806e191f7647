"""What stops it: a set of elements that excludes a goal, as small as it can be, and what would help.

Read from top to bottom: the model, the first proof, the smallest one, the corrections, each planned again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from optimizer.explain.applied import lifted, ordered, plan_for
from optimizer.explain.corrections import Corrections
from optimizer.explain.counting import add_counts
from optimizer.explain.elements import gathered
from optimizer.explain.examples import Examples
from optimizer.explain.minimal_set import shrunk
from optimizer.explain.model import ElementModel, all_candidates, free_vms
from optimizer.explain.oracle import Answer, Oracle, Verdict
from optimizer.explain.pools import add_pools
from optimizer.explain.relaxed import candidates_among, concerned, held_back, relaxed
from optimizer.limits import OutOfTime
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from optimizer.explain.applied import Planned
    from optimizer.explain.corrections import Correction
    from optimizer.explain.elements import Element, Item
    from optimizer.explain.goals import Goal
    from optimizer.explain.minimal_set import MinimalSet
    from optimizer.limits import Deadline, Limits
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Help", "Proven", "Stops", "Width", "allowed_at_start", "what_stops"]


LOOK_WORK = 1e-3
"""What each example that is looked at counts as work."""


class Proven(Enum):
    """What was found about a goal."""

    STOPPED = "stopped"
    POSSIBLE = "possible"
    NO_ORDER = "no_order"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Width:
    """How far an explanation goes.

    Attributes
    ----------
    literals
        The whole problem is modelled up to this many pairs of VM and host; beyond it, a smaller one (`relaxed`).
    few
        VMs that are free over every host in the smaller one.
    all_up_to
        All minimal corrections are listed where no more elements than this could be lifted.
    helps
        Corrections that are listed otherwise.
    others
        Further sets that are looked for.
    shrinking, correcting
        Shares of the time for the smallest proof, and for corrections; the rest is for planning again.
    looking
        Share of the time for the smallest proof in which examples are looked for, without the solver.
    """

    literals: int = 40_000
    few: int = 24
    all_up_to: int = 25
    helps: int = 3
    others: int = 2
    shrinking: float = 0.5
    correcting: float = 0.5
    looking: float = 0.6


@dataclass(frozen=True)
class Help:
    """A correction, and the plan that reaches the goal with it; None where none was found in time."""

    correction: Correction
    planned: Planned | None


@dataclass(frozen=True)
class Stops:
    """What stops a goal.

    Attributes
    ----------
    found
        The set of elements that excludes the goal; None where nothing was proven.
    others
        Further sets, each minimal as far as `minimal` says, that share no element with one before: these stop it too.
    first_s
        Seconds to the first set, which need not have been minimal.
    whole
        The model was the whole problem; otherwise a smaller one whose proofs hold for the whole.
    complete
        `helps` are all minimal corrections there are.
    planned
        Moves that reach the goal, where nothing stops it.
    """

    goal: Goal
    verdict: Proven
    found: MinimalSet | None = None
    helps: tuple[Help, ...] = ()
    others: tuple[MinimalSet, ...] = ()
    whole: bool = True
    complete: bool = False
    first_s: float = 0.0
    seconds: float = 0.0
    planned: Planned | None = None
    calls: int = 0

    @property
    def items(self) -> Mapping[Item, tuple[Element, ...]]:
        """The elements by item."""
        return gathered(self.found.elements) if self.found else {}


def allowed_at_start(problem: Problem) -> dict[Instance, int]:
    """Return the excess at the start of every instance that has one."""
    return WorkingPlacement(problem).exceeded()


def what_stops(
    problem: Problem,
    goal: Goal,
    limits: Limits,
    deadline: Deadline,
    now: Callable[[], float],
    width: Width | None = None,
) -> Stops:
    """Return what excludes a goal, or how it is reached.

    Parameters
    ----------
    now
        Seconds of a clock, to say when the first answer was there.
    """
    asked = _Asked(problem, goal, limits, deadline, now, width or Width())
    try:
        return asked.answer()
    except OutOfTime:
        return asked.unknown()


@dataclass
class _Asked:
    """One question, being answered."""

    problem: Problem
    goal: Goal
    limits: Limits
    deadline: Deadline
    now: Callable[[], float]
    width: Width
    whole: bool = True
    allowed: dict[Instance, int] = field(default_factory=dict, init=False)
    began: float = field(default=0.0, init=False)

    def answer(self) -> Stops:
        self.began = self.now()
        first = Answer(Verdict.UNKNOWN)
        for model in self._models():
            oracle = Oracle(model, self.deadline.part(self.width.shrinking), self.limits.seed, by_cores=self.whole)
            first = oracle.ask(oracle.elements)
            if first.verdict is Verdict.EXCLUDED:
                return self._stopped(model, oracle, first)
        if first.verdict is Verdict.UNKNOWN:
            return self.unknown()
        return self._possible(first.placement if self.whole else None)

    def unknown(self) -> Stops:
        """Return that nothing was proven."""
        return Stops(self.goal, Proven.UNKNOWN, whole=self.whole, seconds=self.now() - self.began)

    def _models(self) -> Iterator[ElementModel]:
        """Yield the whole problem where it is small; otherwise smaller ones, the smallest first."""
        problem, check = self.problem, self.deadline.check
        self.allowed = allowed_at_start(problem)
        free = free_vms(problem)
        self.whole = len(free) * problem.hosts <= self.width.literals
        if self.whole:
            yield ElementModel(problem, self.goal, self.allowed, all_candidates(problem), check)
            return
        few = concerned(problem, self.goal, self.width.few)
        if not problem.flows and self.goal.moving is None:
            yield self._smaller(few, held_back(problem, self.goal, few))
        mine = set(few)
        model = self._smaller(few, [v for v in free if v not in mine])
        add_pools(model, problem, few)
        yield model

    def _smaller(self, few: list[int], others: list[int]) -> ElementModel:
        smaller = relaxed(self.problem, few, others)
        rows = candidates_among(self.problem, few, others)
        model = ElementModel(smaller, self.goal, self.allowed, rows, self.deadline.check, complete=False)
        add_counts(model)
        return model

    def _stopped(self, model: ElementModel, oracle: Oracle, first: Answer) -> Stops:
        first_s = self.now() - self.began
        if not self.whole:  # a small model is asked at once
            oracle.examples = Examples(self.problem, self.goal, self.allowed, model.first)
            oracle.examples.look(oracle.deadline.part(self.width.looking).counted(LOOK_WORK))
        found = shrunk(oracle, first.core)
        others = tuple(self._others(oracle, found))
        helps, complete = self._helps(model, found, oracle.examples)
        return Stops(
            self.goal,
            Proven.STOPPED,
            found,
            helps,
            others,
            self.whole,
            complete and self.whole,
            first_s,
            self.now() - self.began,
            calls=oracle.calls,
        )

    def _others(self, oracle: Oracle, found: MinimalSet) -> Iterator[MinimalSet]:
        """Yield sets that stop the goal even if all elements of those before were lifted."""
        rest = oracle.elements - found.elements
        for _ in range(self.width.others if found.elements else 0):
            answer = oracle.ask(rest)
            if answer.verdict is not Verdict.EXCLUDED or not answer.core:
                return
            other = shrunk(oracle, answer.core)
            rest -= other.elements
            yield other

    def _possible(self, placement: object) -> Stops:
        """Say how the goal is reached where nothing stops it; where no order was found, that is what is said."""
        planned = plan_for(self.problem, self.goal, self.limits, self.deadline, placement)  # type: ignore[arg-type]
        verdict = Proven.POSSIBLE if planned else Proven.NO_ORDER if self.whole else Proven.UNKNOWN
        return Stops(self.goal, verdict, whole=self.whole, seconds=self.now() - self.began, planned=planned)

    # -- what would help -----------------------------------------------------------------------------------------

    def _helps(
        self, model: ElementModel, found: MinimalSet, examples: Examples | None
    ) -> tuple[tuple[Help, ...], bool]:
        if not found.elements:
            return (), True
        corrections = Corrections(
            model, self.deadline.part(self.width.correcting), self.limits.seed, plain=not self.whole
        )
        known = self._known(corrections, examples) if examples is not None else None
        everything = len(model.held) <= self.width.all_up_to
        listed, complete = self._listed(corrections, None if everything else self.width.helps)
        if not everything:
            listed += self._by_item(corrections, found, listed)
        helps = tuple(self._planned(c) for c in listed)
        known = known if known is not None and all(h.planned is None for h in helps) else None
        return (helps if known is None else (*helps, known)), complete

    def _listed(self, corrections: Corrections, most: int | None) -> tuple[list[Correction], bool]:
        listed: list[Correction] = []
        while most is None or len(listed) < most:
            correction = corrections.least()
            if correction is None:
                return listed, corrections.exhausted
            listed.append(correction)
            corrections.exclude(correction.lifted)
        return listed, False

    def _by_item(self, corrections: Corrections, found: MinimalSet, listed: list[Correction]) -> list[Correction]:
        """Return the least that each item could give by itself, where that is in no correction yet."""
        out: list[Correction] = []
        seen = {e.item for c in listed for e in c.lifted}
        for item in gathered(found.elements):
            if item in seen:
                continue
            among = [e for e in corrections.model.held if e.item == item]
            correction = corrections.least(among)
            if correction is not None:
                out.append(correction)
        return out

    def _known(self, corrections: Corrections, examples: Examples) -> Help | None:
        """Return what a known placement would take, if its moves can be ordered: for where nothing better is found."""
        if examples.best is None or self.deadline.over():
            return None
        placement = examples.placement(examples.best)
        correction = corrections.shown_by(examples.best, placement)
        planned = ordered(lifted(self.problem, correction), self.goal, self.limits, self.deadline, placement)
        return Help(correction, planned) if planned is not None else None

    def _planned(self, correction: Correction) -> Help:
        if self.deadline.over():
            return Help(correction, None)
        hint = correction.placement
        if not self.whole:
            elsewhere = hint == self.problem.hosts
            hint = None if elsewhere.any() else hint  # type: ignore[assignment]
        return Help(correction, plan_for(lifted(self.problem, correction), self.goal, self.limits, self.deadline, hint))
