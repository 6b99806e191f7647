"""How many VMs more fit so that any K hosts may be lost: in data and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.report.page import Tone
from optimizer.report.whatif_facts import GAP, PROVEN, SurvivalFacts
from optimizer.report.words import count

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.report.page import Page
    from optimizer.whatif.survive import Survival

__all__ = ["add_broken", "add_survival", "describe_survival", "not_packed"]

SHOWN = 5


def describe_survival(fleet: Fleet, answer: Survival) -> SurvivalFacts:
    """Say how many fit so, and which losses decide it."""
    return SurvivalFacts(
        k=answer.k,
        value=answer.value,
        bound=answer.bound,
        status=PROVEN if answer.proven else GAP,
        hosts={fleet.hosts.ids[h]: int(answer.numbers[h]) for h in np.flatnonzero(answer.numbers).tolist()},
        sets=answer.sets,
        tried=answer.tried,
        checked=answer.checked,
        tightest="" if answer.tightest is None else answer.tightest.name,
        broken={loss.name: missing for loss, missing in answer.broken},
    )


def not_packed(facts: SurvivalFacts) -> str:
    """Say why there is no number."""
    text = f"{facts.tried:,} of {facts.sets:,} losses were packed in time: no number is shown (--time-limit)"
    return text if facts.tried else f"{facts.sets:,} sets of hosts are too many to pack"


def add_survival(page: Page, facts: SurvivalFacts) -> None:
    """Lay out how many fit so."""
    lost = "any host" if facts.k == 1 else f"any {facts.k} hosts"
    page.heading(f"If {lost} may be lost")
    if facts.tried < facts.sets:
        page.line(not_packed(facts), Tone.WARN)
        return
    proof = "no more can, proven" if facts.status == PROVEN else f"at most {facts.bound:,} can"
    tone = Tone.GOOD if facts.value else Tone.BAD
    page.line(f"{count(facts.value, 'VM')} more fit, and everything restarts after the loss of {lost}; {proof}", tone)
    page.line(f"{count(facts.sets, 'loss', 'losses')} packed, {facts.checked:,} held against every rule: accepted")
    if facts.tightest:
        page.line(f"tightest: the loss of {facts.tightest}")
    add_broken(page, facts)


def add_broken(page: Page, facts: SurvivalFacts) -> None:
    """Name the losses after which VMs have no host already, if there are any."""
    if facts.broken:
        worst = sorted(facts.broken.items(), key=lambda one: (-one[1], one[0]))
        named = ", ".join(f"{name} ({missing:,})" for name, missing in worst[:SHOWN])
        more = f" and {len(worst) - SHOWN:,} more" if len(worst) > SHOWN else ""
        page.line(f"as it is, not all restart after the loss of {named}{more}: no more may have no host", Tone.WARN)
