"""A rule of the policy as a monitor: what its `check` says of the fleet as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.fleet import ABSENT, State
from optimizer.grammar import count
from optimizer.monitors.columns import GONE
from optimizer.monitors.machine import Judged
from optimizer.monitors.reading import Lookout, Reading
from optimizer.problem.rule import Hardness
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Live, Observation
    from optimizer.problem.rule import Rule, Violation

__all__ = ["ByRule"]

MOST_NAMES = 20
"""VMs that evidence names; further ones are counted."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ByRule(Lookout):
    """Watches one rule. What a snapshot says of places is exact, so an imbalance opens at once.

    Violations of VMs that have to leave a host are one subject for each host, since it is the host that drains.

    Parameters
    ----------
    rule
        The name of the rule in the policy.
    """

    monitor: Literal["rule"] = "rule"
    rule: str = Field(min_length=1, max_length=256)
    open_after_s: int = Field(default=0, ge=0, le=2_592_000)

    def __post_init__(self) -> None:
        """Be called as the rule is."""
        if not self.name:
            object.__setattr__(self, "name", self.rule)

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge what the rule finds; a live subject that it does not find is well, if all of it is still there."""
        rule = next((rule for rule in seen.rules if rule.name == self.rule), None)
        if rule is None:
            for subject in live:
                yield Reading(subject, Judged.GONE, why=f"the policy has no rule {self.rule}")
            return
        bad = _subjects(rule, seen.fleet)
        for subject, (place, evidence) in bad.items():
            yield Reading(subject, Judged.BAD, place, evidence)
        for missing in rule.not_evaluated(seen.fleet):
            of = count(missing.vms, "VM") if missing.vms else count(missing.hosts, "host")
            yield Reading("", Judged.MISSING, why=f"the snapshot does not say {missing.what} of {of}")
        for subject, before in live.items():
            if subject not in bad:
                lost = _lost(seen.fleet, before)
                if lost:
                    yield Reading(subject, Judged.GONE, why=f"{lost}: {GONE}")
                else:
                    yield Reading(subject, Judged.WELL, str(before.get("host", "")), {**before, "excess": 0, "why": ""})


def _subjects(rule: Rule, fleet: Fleet) -> dict[str, tuple[str, dict[str, Any]]]:
    """Gather violations by subject; guards, which are no reason to move, are left aside."""
    gathered: dict[str, list[Violation]] = {}
    for violation in rule.check(State.start(fleet)):
        if violation.hardness in (Hardness.MUST, Hardness.SHOULD):
            gathered.setdefault(_subject(violation, fleet), []).append(violation)
    return {subject: _evidence(rule, found, fleet) for subject, found in sorted(gathered.items())}


def _subject(violation: Violation, fleet: Fleet) -> str:
    vm = fleet.vm_index.get(violation.subject)
    if vm is not None and violation.vms == (vm,) and fleet.vms.host[vm] != ABSENT:
        return fleet.hosts.ids[int(fleet.vms.host[vm])]
    return " ".join(part for part in (violation.subject, violation.resource, violation.domain) if part)


def _evidence(rule: Rule, found: list[Violation], fleet: Fleet) -> tuple[str, dict[str, Any]]:
    first = found[0]
    vms = list(dict.fromkeys(fleet.vms.ids[vm] for violation in found for vm in violation.vms))
    evidence: dict[str, Any] = {
        "subject": first.subject,
        "excess": sum(violation.excess for violation in found),
        "value": first.value,
        "limit": first.limit,
        "vms": vms[:MOST_NAMES],
        "more_vms": max(0, len(vms) - MOST_NAMES),
        "why": rule.explain(first, fleet),
    }
    if first.resource:
        evidence["resource"] = first.resource
    host = fleet.host_index.get(first.subject)
    if host is None and len(found) > 1:
        evidence["violations"] = len(found)
    place = first.domain or ""
    if host is not None:
        evidence["host"] = first.subject
    return place, evidence


def _lost(fleet: Fleet, before: Mapping[str, Any]) -> str:
    """Return a name of the last evidence that is in the snapshot no more."""
    if "host" in before and before["host"] not in fleet.host_index:
        return str(before["host"])
    return next((str(vm) for vm in before.get("vms", ()) if vm not in fleet.vm_index), "")
