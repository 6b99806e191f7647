"""What-if answers about losses, in data and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.whatif_facts import GAP, PROVEN, helped, reasons
from optimizer.report.words import count
from optimizer.whatif.judge import in_words
from optimizer.whatif.obstacles import obstacles, unlock, widened
from optimizer.whatif.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.report.whatif_facts import About, Reason
    from optimizer.whatif.any_loss import AnyLost
    from optimizer.whatif.lose import Lost
    from optimizer.whatif.restart import Outcome, Restarts
    from optimizer.whatif.spare import Spare

__all__ = ["Homeless", "LossFacts", "LossesFacts", "SpareFacts", "describe_any", "describe_losses"]

EXPLAINED, KINDS = 5, 3
"""Losses of which it is said why VMs have no host, and kinds of VM of each, at most."""

SURVIVED, FAILED, OPEN = "survived", "failed", "open"
"""All restart, shown; not all can, proven; neither."""


@dataclass(frozen=True, slots=True)
class Homeless:
    """VMs that are alike and have no host after a loss, and why hosts take none of them."""

    vms: tuple[str, ...]
    reasons: tuple[Reason, ...]
    would_help: str


@dataclass(frozen=True, slots=True)
class LossFacts:
    """One loss: how many VMs have to restart, and how many can; `bound` can at most. `placements` names VM and host."""

    loss: str
    level: str
    hosts: int
    vms: int
    restarted: int
    bound: int
    status: str
    without_host: tuple[str, ...]
    why: tuple[Homeless, ...]
    placements: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SpareFacts:
    """Hosts more, like this one, that let everything restart after each of the losses: tried."""

    like: str
    hosts: int
    text: str


@dataclass(frozen=True, slots=True)
class LossesFacts:
    """Every loss that was asked about, the worst first.

    `missing` VMs have no host after the worst one, `missing_at_least` in any packing. `checked` packings were held
    against every rule's check. `sets`: of --any K, how many sets of hosts there are; `losses` has the worst of them.
    """

    question: str
    about: About
    tried: int
    survived: int
    failed: int
    untried: tuple[str, ...]
    missing: int
    missing_at_least: int
    status: str
    checked: int
    losses: tuple[LossFacts, ...]
    would_help: tuple[SpareFacts, ...]
    sets: int = 0


def describe_losses(answer: Lost, found: Sequence[Spare], about: About) -> LossesFacts:
    """Say what becomes of each loss."""
    return LossesFacts(
        question="lose",
        about=about,
        tried=len(answer.outcomes),
        survived=answer.survived,
        failed=answer.failed,
        untried=tuple(loss.name for loss in answer.untried),
        missing=answer.missing,
        missing_at_least=answer.missing_at_least,
        status=PROVEN if answer.proven else GAP,
        checked=answer.checked,
        losses=tuple(describe_loss(answer.restarts, o, explained=i < EXPLAINED) for i, o in enumerate(answer.outcomes)),
        would_help=tuple(spare_facts(answer.restarts, one) for one in found),
    )


def describe_any(answer: AnyLost, about: About) -> LossesFacts:
    """Say what becomes of the sets of hosts that were tried."""
    return LossesFacts(
        question="lose",
        about=about,
        tried=answer.tried,
        survived=answer.survived,
        failed=answer.failed,
        untried=(),
        missing=answer.missing,
        missing_at_least=answer.missing_at_least,
        status=PROVEN if answer.proven else GAP,
        checked=answer.checked,
        losses=tuple(describe_loss(answer.restarts, o, explained=i < EXPLAINED) for i, o in enumerate(answer.outcomes)),
        would_help=(),
        sets=answer.sets,
    )


def describe_loss(restarts: Restarts, outcome: Outcome, *, explained: bool) -> LossFacts:
    """Say what becomes of one loss; `explained`: and why VMs have no host."""
    fleet = restarts.fleet
    homeless = outcome.homeless
    return LossFacts(
        loss=outcome.loss.name,
        level=fleet.levels[outcome.loss.level],
        hosts=int(outcome.loss.lost.sum()),
        vms=len(outcome.vms),
        restarted=outcome.restarted,
        bound=outcome.bound,
        status=SURVIVED if outcome.survives else FAILED if outcome.fails else OPEN,
        without_host=tuple(fleet.vms.ids[vm] for _, vm in homeless),
        why=_why(restarts, outcome, homeless) if explained else (),
        placements=tuple((fleet.vms.ids[vm], fleet.hosts.ids[host]) for vm, host in outcome.created),
    )


def _why(restarts: Restarts, outcome: Outcome, homeless: Sequence[tuple[int, int]]) -> tuple[Homeless, ...]:
    fleet, left = restarts.fleet, outcome.room.spent(outcome.numbers)
    rest, _ = restarts.rest(outcome.loss)
    found = []
    for k in list(dict.fromkeys(k for k, _ in homeless))[:KINDS]:
        vms = [vm for kind, vm in homeless if kind == k]
        closed = restarts.closed(outcome.loss, vms[0])
        one = unlock(left, k, closed)
        if one is not None:
            more, _ = pack(widened(outcome.room, one), None)
            one = one if more.sum() > outcome.restarted else None
        names = tuple(fleet.vms.ids[vm] for vm in vms)
        said = in_words(rest, restarts.policy.rules, vms[0], obstacles(left, k, closed))
        found.append(Homeless(names, reasons(fleet, said), helped(fleet, one)))
    return tuple(found)


def spare_facts(restarts: Restarts, spare: Spare) -> SpareFacts:
    """Say what to add."""
    name = restarts.fleet.hosts.ids[spare.like]
    own = "its own" if spare.number == 1 else "their own"
    where = f", in a domain of {own}" if spare.apart else ""
    return SpareFacts(name, spare.number, f"{count(spare.number, 'more host')} like {name}{where}")
