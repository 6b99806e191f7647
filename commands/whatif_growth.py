"""`remora whatif grow` and `remora whatif size`: when pools are full, and which VMs are not the size that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import FILE, Whole, load_config, say, warn
from commands.path_types import SETTINGS
from commands.report import write_answer
from commands.whatif_question import Question, pool_of, question_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.whatif.size import Pair

__all__ = ["grow_command", "size_command"]


class _Share(click.FloatRange):
    """A share above 0, at most 1."""

    name = "share"

    def __init__(self) -> None:
        super().__init__(0.01, 1.0)


@click.command("grow")
@question_options
@click.option("--history", type=FILE, metavar="CSV", help="What was allocated: time, pool, resources.")
@click.option("--config", type=SETTINGS, metavar="FILE", help="Ask Prometheus what was allocated: section growth.")
@click.option("--rates", type=FILE, metavar="FILE", help="How many VMs come a day, by flavour (remora-rates/1).")
@click.option("--by", default="", metavar="POOL", help="Answer by pool: a level, or label:KEY.")
@click.option(
    "--horizon", type=Whole(1, 3650), default=90, show_default=True, metavar="DAYS", help="How far ahead to buy for."
)
@click.option(
    "--full-at", type=_Share(), default=0.95, show_default=True, help="Share of what may be allocated that is full."
)
def grow_command(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
    history: Path | None,
    config: Path | None,
    rates: Path | None,
    by: str,
    horizon: int,
    full_at: float,
    **given: Any,
) -> Exit:
    """Forecast when pools are full, which resource first, and what to buy: from a past, or from rates.

    Exits with 1 if a pool is short within the horizon, at the upper edge of the band of 80 %.
    """
    from optimizer.report.grow_page import describe_growth, grow_page
    from optimizer.report.whatif_charts import growth_charts
    from optimizer.report.whatif_facts import pools_of
    from optimizer.whatif.grow import Provision, doubts, grow, past_of_series

    if sum(one is not None for one in (history, config, rates)) != 1:
        raise click.UsageError("one of --history, --config and --rates", click.get_current_context())
    question = Question.read(fleet, policy_name, overlay, given)
    snapshot = question.fleet
    names, of = pools_of(snapshot, pool_of(snapshot, by))
    series: dict[tuple[str, str], tuple[Sequence[float], Sequence[float]]] = {}
    if rates is not None:
        from optimizer.sources.rates import read_rates
        from optimizer.whatif.rates import pasts_of_rates

        resources = [r.name for r in snapshot.resources]
        pasts = pasts_of_rates(read_rates(rates, resources, names))
    else:
        series = _series(snapshot, names, history, config)
        pasts = {key: past_of_series(*one, horizon) for key, one in series.items()}
    found = grow(snapshot, question.policy, (names, of), pasts, horizon, full_at)
    warn(doubts(found, str(history or config or rates)))
    facts = describe_growth(snapshot, found, horizon, full_at, question.about())
    say(as_json, lambda: facts, lambda: grow_page(facts))
    write_answer(
        given["report"],
        facts,
        lambda: grow_page(facts),
        lambda: growth_charts(found, series, snapshot.taken_at.timestamp(), horizon),
    )
    return Exit.ATTENTION if any(p.provision is Provision.UNDER for p in found) else Exit.DONE


def _series(
    fleet: Fleet, pools: Sequence[str], history: Path | None, config: Path | None
) -> dict[tuple[str, str], tuple[Sequence[float], Sequence[float]]]:
    """Read the past, from a table or from Prometheus."""
    resources = [r.name for r in fleet.resources]
    if history is not None:
        from optimizer.sources.history_csv import read_history

        past = read_history(history, resources, pools, fleet.taken_at)
    else:
        import os

        from optimizer.clock import SystemClock
        from optimizer.signals.past import read_past

        assert config is not None
        past = read_past(load_config(config), resources, pools, fleet.taken_at, SystemClock(), os.environ)
    return {(one.pool, one.resource): (one.times, one.amounts) for one in past}


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
    fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, pair: str, show: int, **given: Any
) -> Exit:
    """List VMs that are idle, too large, too small or noisy, by what they use.

    Idle is below 2 % of what is allocated, too large below 25 %, too small above 90 %; recommended is twice what is
    used. Noisy is a noise of 0.5, or evidence of disturbing 3 VMs.
    """
    from optimizer.report.size_page import describe_size, size_page
    from optimizer.whatif.size import Thresholds, judged, size

    question = Question.read(fleet, policy_name, overlay, given)
    asked = _pair(question, pair)
    found = size(question.fleet, asked, Thresholds())
    facts = describe_size(question.fleet, asked, found, len(judged(question.fleet, asked)), question.about())
    say(as_json, lambda: facts, lambda: size_page(facts, show))
    write_answer(given["report"], facts, lambda: size_page(facts, show))
    return Exit.DONE


def _pair(question: Question, text: str) -> Pair:
    from optimizer.errors import InputError
    from optimizer.similar import similar_or_some
    from optimizer.whatif.size import Pair

    used, _, allocated = text.partition(":")
    known = question.fleet.resource_index
    for name in (used, allocated):
        if name not in known:
            expected = (
                f"USED:ALLOCATED, two resources of fleet {question.fleet.id}: what is measured, and what is allocated"
            )
            raise InputError("--pair", name, text, expected, similar_or_some(name, known))
    return Pair(used, allocated)
