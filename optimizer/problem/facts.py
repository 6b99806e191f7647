"""What every field of a snapshot is to a plan: one complete table, and the facts that bind in every policy.

A field that says what may be done with a host or VM *binds*: a rule of the policy that understands the fact decides
what it means there; where none does, its effect in `FACTS` holds (`optimizer.problem.snapshot_rule`). A test walks the
published schema and fails if a field is missing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["AHEAD_S", "FACTS", "FIELDS", "Effect", "Field", "Meaning"]

AHEAD_S = 3600
"""A maintenance window that starts within that many seconds counts already: about what emptying a host takes."""


class Meaning(Enum):
    """What a field is to a plan."""

    NAME = "name"  # names things, or says where they are: the plan could not be written without it
    BINDS = "binds"  # says what may be done: it holds in every policy
    AMOUNT = "amount"  # how much there is, or is taken: judged by the rules about amounts
    DEMAND = "demand"  # asks something of a placement: judged where the policy names the rule
    EVIDENCE = "evidence"  # what rules may act on, if the policy says so
    COST = "cost"  # how long a move takes, or what it counts
    CARRIED = "carried"  # shown, and nothing rests on it


class Effect(Enum):
    """What a fact does where no rule of the policy understands it."""

    STAYS = "the VM stays where it is"
    NO_ARRIVALS = "the host takes no VM"
    LIMITS_ARRIVALS = "the host takes VMs up to its limit"
    CLOSED = "the host neither gives nor takes a VM"
    ALWAYS = "the VM stays where it is, whatever the policy says"


@dataclass(frozen=True, slots=True)
class Field:
    """What one field is; `fact` names the entry of `FACTS` that a binding field belongs to."""

    meaning: Meaning
    fact: str = ""


FACTS: dict[str, Effect] = {
    "in_flight": Effect.ALWAYS,
    "mobility": Effect.STAYS,
    "vm_state": Effect.STAYS,
    "host_down": Effect.STAYS,
    "no_move_until": Effect.STAYS,
    "requires": Effect.STAYS,
    "forbidden_hosts": Effect.STAYS,
    "move_within": Effect.STAYS,
    "host_state": Effect.NO_ARRIVALS,
    "busy": Effect.NO_ARRIVALS,
    "maintenance": Effect.NO_ARRIVALS,
    "max_vms": Effect.LIMITS_ARRIVALS,
    "host_unobserved": Effect.CLOSED,
    "vm_unobserved": Effect.STAYS,
}
"""Every fact that binds, by the word with which a rule says that it `understands` it."""


def _all(meaning: Meaning, *paths: str, fact: str = "") -> dict[str, Field]:
    return dict.fromkeys(paths, Field(meaning, fact))


FIELDS: dict[str, Field] = {
    # -- the fleet ---------------------------------------------------------------------------------------------------
    **_all(Meaning.NAME, "format", "fleet", "taken_at", "simulated", "resources[].name", "levels[]"),
    **_all(Meaning.COST, "resources[].copied"),
    **_all(Meaning.BINDS, "move_within", fact="move_within"),
    # -- hosts -------------------------------------------------------------------------------------------------------
    **_all(Meaning.NAME, "hosts[].id", "hosts[].name", "hosts[].domains", "hosts[].labels"),
    **_all(Meaning.AMOUNT, *(f"hosts[].{name}" for name in ("capacity", "overcommit", "reserved", "measured"))),
    # host_down keeps VMs on a host that is down; host_state keeps them off one that is not active
    **_all(Meaning.BINDS, "hosts[].state", fact="host_state"),
    **_all(Meaning.BINDS, "hosts[].busy[]", fact="busy"),
    **_all(Meaning.BINDS, "hosts[].maintenance[].from", "hosts[].maintenance[].to", fact="maintenance"),
    **_all(Meaning.BINDS, "hosts[].max_vms", fact="max_vms"),
    **_all(Meaning.BINDS, "hosts[].unobserved", fact="host_unobserved"),
    # how many errors are too many is nothing that a snapshot says
    **_all(Meaning.EVIDENCE, "hosts[].error_count", "hosts[].pressure_window_s", "hosts[].signals_at"),
    **_all(Meaning.EVIDENCE, "hosts[].full_in_s"),
    **_all(Meaning.EVIDENCE, *(f"hosts[].pressure.{name}" for name in ("cpu_steal", "cpu", "io", "memory"))),
    **_all(Meaning.COST, "hosts[].migration_mib_per_s"),
    **_all(Meaning.CARRIED, "hosts[].maintenance[].reason", "hosts[].observed_at"),
    # -- VMs ---------------------------------------------------------------------------------------------------------
    **_all(Meaning.NAME, "vms[].id", "vms[].name", "vms[].host", "vms[].owner", "vms[].groups[]", "vms[].labels"),
    **_all(Meaning.AMOUNT, "vms[].demand"),
    **_all(Meaning.BINDS, "vms[].state", fact="vm_state"),
    **_all(Meaning.BINDS, "vms[].mobility", "vms[].mobility_reason", fact="mobility"),
    **_all(Meaning.BINDS, "vms[].requires", fact="requires"),
    **_all(Meaning.BINDS, "vms[].forbidden_hosts[]", fact="forbidden_hosts"),
    **_all(Meaning.BINDS, "vms[].no_move_until", fact="no_move_until"),
    **_all(Meaning.BINDS, "vms[].unobserved", fact="vm_unobserved"),
    **_all(Meaning.EVIDENCE, "vms[].created_at", "vms[].sensitive"),
    **_all(Meaning.EVIDENCE, *(f"vms[].{kind}.{n}" for kind in ("noise", "pressure") for n in ("cpu_steal", "cpu"))),
    **_all(Meaning.EVIDENCE, *(f"vms[].{kind}.{n}" for kind in ("noise", "pressure") for n in ("io", "memory"))),
    **_all(Meaning.COST, "vms[].dirty_mib_per_s", "vms[].move_cost"),
    # -- groups: what they ask is judged by the rules that are called so -----------------------------------------------
    **_all(Meaning.NAME, "groups[].id"),
    **_all(Meaning.DEMAND, *(f"groups[].rules[].{n}" for n in ("rule", "level", "hardness", "weight"))),
    **_all(Meaning.DEMAND, *(f"groups[].rules[].{n}" for n in ("at_most", "at_least", "with"))),
    # -- evidence and moves --------------------------------------------------------------------------------------------
    **_all(Meaning.EVIDENCE, *(f"interference[].{n}" for n in ("noisy", "suffers", "kind", "score"))),
    **_all(Meaning.BINDS, *(f"in_flight[].{n}" for n in ("vm", "from", "to")), fact="in_flight"),
    **_all(Meaning.EVIDENCE, "in_flight[].started_at", "history_since"),
    **_all(Meaning.CARRIED, "in_flight[].id", "in_flight[].by", "history[].by"),
    **_all(Meaning.EVIDENCE, *(f"history[].{n}" for n in ("vm", "from", "to", "started_at", "ended_at", "outcome"))),
}
"""Every field of `remora-fleet/1` by its path; a table (labels, demand, ...) is one field."""
