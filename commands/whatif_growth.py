"""`remora whatif grow` and `remora whatif size`: when pools are full, and which VMs are not the size that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import FILE, Whole, say, warn
from commands.report import write_answer
from commands.whatif_question import Question, pool_of, question_options

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.whatif.size import Pair

__all__ = ["grow_command", "size_command"]


class _Share(click.FloatRange):
    """A share above 0, at most 1."""

    name = "share"

    def __init__(self) -> None:
        super().__init__(0.01, 1.0)


@click.command("grow")
@question_options
@click.option("--history", type=FILE, required=True, metavar="CSV", help="What was allocated: time, pool, resources.")
@click.option("--by", default="", metavar="POOL", help="Answer by pool: a level, or label:KEY.")
@click.option(
    "--horizon", type=Whole(1, 3650), default=90, show_default=True, metavar="DAYS", help="How far ahead to buy for."
)
@click.option(
    "--full-at", type=_Share(), default=0.95, show_default=True, help="Share of what may be allocated that is full."
)
def grow_command(
    fleet: Path,
    policy: str,
    overlay: Path | None,
    as_json: bool,
    history: Path,
    by: str,
    horizon: int,
    full_at: float,
    **given: Any,
) -> Exit:
    """Forecast when pools are full, which resource first, and what to buy.

    Exits with 1 if a pool is short within the horizon, at the upper edge of the band of 80 %.
    """
    from optimizer.report.grow_page import describe_growth, grow_page
    from optimizer.report.whatif_charts import growth_charts
    from optimizer.report.whatif_facts import pools_of
    from optimizer.sources.history_csv import read_history
    from optimizer.whatif.grow import Provision, doubts, grow

    question = Question.read(fleet, policy, overlay, given)
    snapshot = question.fleet
    names, of = pools_of(snapshot, pool_of(snapshot, by))
    past = read_history(history, [r.name for r in snapshot.resources], names, snapshot.taken_at)
    series = {(one.pool, one.resource): (one.times, one.amounts) for one in past}
    found = grow(snapshot, question.policy, (names, of), series, horizon, full_at)
    warn(doubts(found, str(history)))
    facts = describe_growth(snapshot, found, horizon, full_at, question.about())
    say(as_json, lambda: facts, lambda: grow_page(facts))
    write_answer(
        given["report"],
        facts,
        lambda: grow_page(facts),
        lambda: growth_charts(found, series, snapshot.taken_at.timestamp(), horizon),
    )
    return Exit.ATTENTION if any(p.provision is Provision.UNDER for p in found) else Exit.DONE


@click.command("size")
@question_options
@click.option(
    "--pair",
    default="cpu_load_millicores:cpu_millicores",
    show_default=True,
    metavar="USED:ALLOCATED",
    help="Which resource is measured use, and which is allocated for it.",
)
@click.option("--show", type=Whole(1, 100_000), default=20, show_default=True, help="How many VMs the page lists.")
def size_command(
    fleet: Path, policy: str, overlay: Path | None, as_json: bool, pair: str, show: int, **given: Any
) -> Exit:
    """List VMs that are idle, too large, too small or noisy, by what they use.

    Idle is below 2 % of what is allocated, too large below 25 %, too small above 90 %; recommended is twice what is
    used. Noisy is a noise of 0.5, or evidence of disturbing 3 VMs.
    """
    from optimizer.report.size_page import describe_size, size_page
    from optimizer.whatif.size import Thresholds, judged, size

    question = Question.read(fleet, policy, overlay, given)
    asked = _pair(question, pair)
    found = size(question.fleet, asked, Thresholds())
    facts = describe_size(question.fleet, asked, found, len(judged(question.fleet, asked)), question.about())
    say(as_json, lambda: facts, lambda: size_page(facts, show))
    write_answer(given["report"], facts, lambda: size_page(facts, show))
    return Exit.DONE


def _pair(question: Question, text: str) -> Pair:
    from optimizer.errors import InputError
    from optimizer.similar import similar
    from optimizer.whatif.size import Pair

    used, _, allocated = text.partition(":")
    known = question.fleet.resource_index
    for name in (used, allocated):
        if name not in known:
            raise InputError("--pair", "", text, f"USED:ALLOCATED, of {', '.join(known)}", similar(name, known))
    return Pair(used, allocated)
