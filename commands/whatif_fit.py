"""`remora whatif fit`: how many VMs more fit, of one size, of each of several, in groups or mixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import Whole, say
from commands.interrupt import Interrupt
from commands.report import write_answer
from commands.whatif_new_vms import Asked, new_vms_options
from commands.whatif_question import at_most_all, effort_of, level_of, pool_of

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.report.page import Page
    from optimizer.report.whatif_facts import FitFacts
    from optimizer.report.whatif_flavours_page import FlavoursFacts
    from optimizer.whatif.effort import Effort

__all__ = ["fit_command"]

Document = dict[str, Any]


@click.command("fit")
@new_vms_options(several=True)
@click.option("--replicas", type=Whole(1, 10_000), metavar="N", help="Count groups of N such VMs.")
@click.option("--level", metavar="LEVEL", help="With --replicas: the level at which a group is spread; host if absent.")
@click.option(
    "--at-most",
    type=Whole(1, 10_000),
    default=1,
    show_default=True,
    metavar="K",
    help="With --replicas: at most K of a group in a domain of that level.",
)
@click.option("--moves", type=Whole(0, 200), metavar="K", help="Also how many fit after at most K moves, as a curve.")
@click.option(
    "--survive", type=Whole(1, 100), metavar="K", help="Also how many fit so that any K hosts may be lost (N+K)."
)
@click.option("--by", default="", metavar="POOL", help="Answer by pool: a level, or label:KEY.")
def fit_command(
    fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, flavour: tuple[str, ...], **given: Any
) -> Exit:
    """Count how many VMs more fit, without moving anything, and what stops the next one.

    With several --flavour each is asked by itself, as if there were no other; they share the time limit. A request with
    several entries asks for a mix: `count` of each in one unit. Groups that are counted with --replicas keep to their
    level; groups that a request names are one and the same for all its VMs.
    """
    from optimizer.clock import SystemClock

    started = SystemClock().monotonic()
    if len(flavour) > 1 and (given["like"], given["request"]) != (None, None):
        raise click.UsageError(
            "each --flavour is asked by itself: ask --like or --request in a run of its own",
            click.get_current_context(),
        )
    given["flavour"] = flavour[0] if flavour else None
    first = Asked.read(fleet, policy_name, overlay, given, flavours=flavour)
    asking = _Asking(first, given, started)
    with Interrupt() as interrupt:
        effort = effort_of(given, interrupt.event)
        facts = asking.each(flavour, effort) if len(flavour) > 1 else asking.one(first, effort)
        say(as_json, lambda: facts, lambda: _page(facts))
        write_answer(given["report"], facts, lambda: _page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE


def _page(facts: FitFacts | FlavoursFacts) -> Page:
    from optimizer.report.whatif_facts import FitFacts

    if isinstance(facts, FitFacts):
        from optimizer.report.whatif_page import fit_page

        return fit_page(facts)
    from optimizer.report.whatif_flavours_page import flavours_page

    return flavours_page(facts)


class _Asking:
    """What is asked of each size, checked against the first."""

    def __init__(self, first: Asked, given: Document, started: float) -> None:
        at_most_all(first.fleet, "--survive", given["survive"])
        self._first, self._since, self._survive = first, started, given["survive"]
        self._replicas = _replicas(first.fleet, len(first.wanted), given)
        self._pool, self._steps = pool_of(first.fleet, given["by"]), _steps(given, first.wanted)
        self._started = started

    def each(self, flavours: tuple[str, ...], effort: Effort) -> FlavoursFacts:
        """Answer for one size after the other; what is left of the time is shared among those that are left."""
        from optimizer.clock import SystemClock
        from optimizer.report.whatif_flavours_page import FlavourFacts, FlavoursFacts

        found = []
        for i, flavour in enumerate(flavours):
            asked = self._first.of_flavour(flavour) if i else self._first
            found.append(FlavourFacts(flavour, self.one(asked, effort.share(len(flavours) - i))))
        about = self._first.about(SystemClock().monotonic() - self._started)
        return FlavoursFacts("flavours", about, tuple(found))

    def one(self, asked: Asked, effort: Effort) -> FitFacts:
        """Answer for one size; it took what has gone by since the answer before, or since the start."""
        from optimizer.check import check
        from optimizer.clock import SystemClock
        from optimizer.report.whatif_facts import describe_fit
        from optimizer.report.whatif_survive_page import describe_survival
        from optimizer.whatif.fit import fit
        from optimizer.whatif.survive import survive

        answer = fit(asked.fleet, asked.policy, asked.wanted, effort, self._replicas, self._steps)
        survival = None
        if self._survive is not None:
            found = survive(answer.fleet, asked.policy, answer.new[0], answer.bound, self._survive, effort)
            survival = describe_survival(answer.fleet, found)
        violations = check(asked.fleet, asked.policy)
        since, self._since = self._since, SystemClock().monotonic()
        return describe_fit(answer, asked.about(self._since - since), self._pool, violations, survival)


def _replicas(fleet: Fleet, entries: int, given: Document) -> Any:
    from optimizer.whatif.fit import Replicas

    context = click.get_current_context()
    if given["replicas"] is None:
        if given["level"] is not None or given["at_most"] != 1:
            raise click.UsageError("--level and --at-most are for --replicas", context)
        return None
    if entries != 1:
        raise click.UsageError("--replicas counts groups of one size: the request has several", context)
    level = level_of(fleet, "--level", given["level"] or "host")
    return Replicas(given["replicas"], level, given["at_most"])


def _steps(given: Document, wanted: list[tuple[int, int]]) -> list[int]:
    """Return the numbers of moves to answer for: few at first, then ever larger steps."""
    most = given["moves"]
    several = given["replicas"] is not None or len(wanted) > 1 or wanted[0][1] > 1
    if several and given["survive"] is not None:
        raise click.UsageError("--survive counts VMs of one size: no --replicas, no mix", click.get_current_context())
    if most is None:
        return []
    return sorted({n for n in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200) if n < most} | {most})
