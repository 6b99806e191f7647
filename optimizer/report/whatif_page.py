"""Pages of what-if answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_facts import PROVEN, plural, units
from optimizer.report.whatif_survive_page import add_survival
from optimizer.report.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.report.whatif_facts import About, FitFacts, KindPlaced, PlaceFacts, Reason

__all__ = ["about_line", "fit_page", "place_page", "reasons_table"]

SHOWN = 12


def about_line(about: About) -> str:
    """Say what an answer is about."""
    return f"fleet {about.fleet} ({about.fleet_digest[:19]}), policy {about.policy}: answered in {about.seconds:.1f} s"


def bound_words(value: int, bound: int) -> str:
    """Say how far a value is from its bound."""
    return "no more can, proven" if value >= bound else f"at most {bound:,} can"


def reasons_table(found: Sequence[Reason]) -> Table:
    """Return a table of reasons, counted in hosts."""
    table = Table(("rule", "what", ">hosts", ">only this", "such as", "~reason"))
    for reason in found:
        table.add(" ".join(reason.rules), _what(reason), reason.hosts, reason.alone, reason.example, reason.text)
    return table


def _what(reason: Reason) -> str:
    """Name the thing that a reason is about, where its text does not say the same."""
    return "-" if reason.what in ("", reason.text) else reason.what


def fit_page(facts: FitFacts) -> Page:
    """Lay out how many fit."""
    page = Page()
    tone = Tone.GOOD if facts.value else Tone.BAD
    proof = "no more were counted" if facts.capped else bound_words(facts.value, facts.bound)
    page.line(f"{plural(facts.value, facts.unit)} more fit without moving anything; {proof}", tone)
    page.line(about_line(facts.about), Tone.QUIET)
    if len(facts.pools) > 1 or any(pool.violations for pool in facts.pools):
        page.heading(f"Pools{f' by {facts.by}' if facts.by else ''}")
        table = Table(("pool", ">hosts", ">more VMs", ">violations now"))
        for pool in facts.pools:
            table.add(pool.pool, pool.hosts, pool.vms, pool.violations or "-", tone=_pool_tone(pool.violations))
        page.table(table)
    _after_moves(page, facts)
    if facts.survive is not None:
        add_survival(page, facts.survive)
    page.heading("What stops the next one")
    page.table(reasons_table(facts.stopped_by), empty="nothing on any single host")
    if facts.would_help:
        page.line(f"would help: {facts.would_help}")
    if facts.status != PROVEN and not facts.capped:
        page.line("not proven: more time may find more, or a smaller bound (--time-limit)", Tone.WARN)
    return page


def _after_moves(page: Page, facts: FitFacts) -> None:
    """Lay out the curve, and the moves of its last step."""
    if not facts.after_moves:
        return
    page.heading("After moves")
    table = Table((">moves", f">{units(facts.unit)} more", ">made", ">at most", "status"))
    for step in facts.after_moves:
        most, status = ("-", "no more counted") if step.capped else (step.bound, step.status)
        table.add(step.moves, step.value, len(step.made), most, status)
    page.table(table)
    last = facts.after_moves[-1]
    moves = Table(("VM", "from", "to"))
    for made in last.made[:SHOWN]:
        moves.add(*made)
    if moves.rows:
        page.line(f"moves for {last.value:,}, in any order:")
    page.table(moves)
    if len(last.made) > SHOWN:
        page.line(f"and {count(len(last.made) - SHOWN, 'move')} more (--json)", Tone.QUIET)


def _pool_tone(violations: int) -> Tone:
    return Tone.WARN if violations else Tone.PLAIN


def place_page(facts: PlaceFacts) -> Page:
    """Lay out where new VMs go."""
    page = Page()
    if facts.placed == facts.asked:
        page.line(f"all {count(facts.asked, 'VM')} have a host" if facts.asked > 1 else "the VM has a host", Tone.GOOD)
    else:
        proof = bound_words(facts.placed, facts.bound)
        page.line(f"{facts.placed:,} of {count(facts.asked, 'VM')} have a host; {proof}", Tone.BAD)
    page.line(about_line(facts.about), Tone.QUIET)
    for kind in facts.kinds:
        _kind(page, kind, facts.hosts)
    return page


def _kind(page: Page, kind: KindPlaced, hosts: int) -> None:
    page.heading(f"{kind.vm}: {kind.placed:,} of {kind.asked:,} placed")
    table = Table(("host", ">VMs", ">fullest with it", ">preferences broken"))
    best = {choice.host: choice for choice in kind.ranking}
    named = list(dict.fromkeys([*kind.hosts, *best]))
    for host in named[:SHOWN]:
        choice = best.get(host)
        full = percent(choice.fullest, 1) if choice else "-"
        broken = choice.preferences_broken if choice and choice.preferences_broken else "-"
        table.add(host, kind.hosts.get(host) or "-", full, broken)
    page.table(table)
    if len(named) > SHOWN:
        page.line(f"and {count(len(named) - SHOWN, 'host')} more", Tone.QUIET)
    skipped = Table(("rule", "what", ">hosts", ">only this", "such as", "~reason"))
    for reason in kind.missing or kind.skipped:
        skipped.add(" ".join(reason.rules), _what(reason), reason.hosts, reason.alone, reason.example, reason.text)
    if skipped.rows:
        page.line(f"skipped, of {count(hosts, 'host')}{', for the next VM' if kind.missing else ''}:")
    page.table(skipped)
    if kind.would_help:
        page.line(f"would help: {kind.would_help}")
