"""Pages of what-if answers about losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_facts import PROVEN
from optimizer.report.whatif_loss_facts import FAILED, OPEN, SURVIVED
from optimizer.report.whatif_page import about_line, reasons_table
from optimizer.report.words import count, shortened

if TYPE_CHECKING:
    from optimizer.report.whatif_loss_facts import LossesFacts, LossFacts

__all__ = ["loss_page", "losses_table"]

SHOWN, NAMED = 12, 8

EXPLAINED, KINDS = 2, 2
"""Losses of which the page says why VMs have no host, and kinds of VM of each."""

_TONES = {SURVIVED: Tone.PLAIN, FAILED: Tone.BAD, OPEN: Tone.WARN}
_WORDS = {SURVIVED: "all restart", FAILED: "not all can, proven", OPEN: "not settled"}


def loss_page(facts: LossesFacts) -> Page:
    """Lay out what becomes of each loss."""
    page = Page()
    page.line(*_answer(facts))
    if facts.untried:
        page.line(f"no time for {count(len(facts.untried), 'loss', 'losses')} more (--time-limit)", Tone.WARN)
    if facts.sets > facts.tried:
        page.line(
            f"not proven: {facts.tried:,} of {facts.sets:,} sets tried, those of the hardest hosts first", Tone.WARN
        )
    page.line(about_line(facts.about), Tone.QUIET)
    if facts.losses:
        page.heading("The worst losses")
        page.table(losses_table(facts.losses))
    if len(facts.losses) > SHOWN:
        page.line(f"and {count(len(facts.losses) - SHOWN, 'loss', 'losses')} more (--json has all)", Tone.QUIET)
    for loss in (one for one in facts.losses[:EXPLAINED] if one.why):
        _explain(page, loss)
    _help(page, facts)
    if facts.survived:
        survived = count(facts.survived, "packing that lets all restart", "packings that let all restart")
        page.line(f"of {survived}, {facts.checked:,} held against every rule's own check: accepted", Tone.QUIET)
    return page


def _answer(facts: LossesFacts) -> tuple[str, Tone]:
    tried = count(facts.tried, "loss", "losses")
    if facts.survived == facts.tried and not facts.untried and facts.tried:
        return f"everything restarts after each of {tried}, nothing else moved", Tone.GOOD
    if not facts.losses:
        return "there was no time to try a loss", Tone.BAD
    worst = facts.losses[0]
    if facts.status == PROVEN:
        proof = "no loss leaves more, proven"
    else:
        proof = f"at least {facts.missing_at_least:,} in any packing"
    missing = worst.vms - worst.restarted
    without = f"{count(missing, 'VM')} of {worst.vms:,} {'has' if missing == 1 else 'have'} no host"
    fails = f"after {facts.tried - facts.survived:,} of {tried} not everything restarts"
    return f"{fails}; worst is {shortened(worst.loss, 40)}: {without}; {proof}", Tone.BAD


def losses_table(losses: tuple[LossFacts, ...]) -> Table:
    """Return a table of the worst losses."""
    table = Table(("loss", ">hosts", ">VMs", ">restart", ">at most", "~answer"))
    for loss in losses[:SHOWN]:
        name = shortened(loss.loss, 40)
        table.add(name, loss.hosts, loss.vms, loss.restarted, loss.bound, _WORDS[loss.status], tone=_TONES[loss.status])
    return table


def _explain(page: Page, loss: LossFacts) -> None:
    for homeless in loss.why[:KINDS]:
        more = f" and {len(homeless.vms) - NAMED:,} more" if len(homeless.vms) > NAMED else ""
        page.heading(f"{shortened(loss.loss, 40)}: no host for {', '.join(homeless.vms[:NAMED])}{more}")
        page.table(reasons_table(homeless.reasons), empty="nothing on any single host: not all have room together")
        if homeless.would_help:
            page.line(f"would help: {homeless.would_help}")


def _help(page: Page, facts: LossesFacts) -> None:
    if facts.would_help:
        page.heading("With these hosts added everything restarts (tried)")
        table = Table(("~add",))
        for spare in facts.would_help:
            table.add(spare.text)
        page.table(table)
