"""Every field of `remora-fleet/1`: its kind, its default, and what it says.

The checker, the JSON Schema, the table of defaults and the CSV import all read this table, so they cannot drift.
A default of None means "not known": the rule that wanted the fact says "not evaluated".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import AMOUNT_LIMIT, Busy, HostState, Mobility, MoveOutcome, Pressure, VmState
from optimizer.sources.kinds import choice, exactly, flag, ratio, real, shaped, text, when, whole
from optimizer.sources.shapes import Field, Listing, Maybe, Record, Table, Tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FLEET", "FLEET_FORMAT", "GROUP", "GROUP_RULE", "HOST", "PAST_MOVE", "VM"]

FLEET_FORMAT = "remora-fleet/1"
RATE_LIMIT = 1e9
"""Largest rate, duration or cost: far above anything real, far below where arithmetic suffers."""

SLOWEST_MIB_PER_S = 0.001
COUNT_LIMIT = 1_000_000

ID = text(what="an id")
NAME = text(what="a name")
PROSE = text(4096, 0, prose=True)
AMOUNT = whole(0, AMOUNT_LIMIT)
FRACTION = real(0, 1)
LEVEL = shaped(r"^[^\u0000-\u001f\u007f-\u009f:|]{1,64}$", "a level: 1 to 64 characters, neither : nor |")
RATIO = ratio()
LABELS = Table(text(least=0, what="a label's value"))
AMOUNTS = Table(AMOUNT)


def _words(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


_HOST_STATES = _words(state.name for state in HostState)
_VM_STATES = _words(state.name for state in VmState)
_MOBILITIES = _words(mobility.name for mobility in Mobility)
_PRESSURES = _words(pressure.name for pressure in Pressure)

PRESSURE = Record("pressure", {name: Field(FRACTION, f"fraction of time lost to {name}", None) for name in _PRESSURES})
NOISE = Record(
    "noise", {name: Field(real(0, 1e6), f"how much {name} it takes from others", None) for name in _PRESSURES}
)

RESOURCE = Record(
    "resource",
    {
        "name": Field(ID, "the resource, with its unit in the name"),
        "copied": Field(flag(), "it has to travel with the VM, so it sets how long a move takes, and nothing else"),
    },
)

MAINTENANCE = Record(
    "maintenance window",
    {
        "from": Field(when(), "start of the window"),
        "to": Field(when(), "end of the window, after its start"),
        "reason": Field(PROSE, "why", ""),
    },
)

HOST = Record(
    "host",
    {
        "id": Field(ID, "unique among the hosts"),
        "name": Field(NAME, "what people call it: shown beside its id, and never used in its place", None),
        "domains": Field(Table(ID), "its domain at each level but host", {}),
        "capacity": Field(AMOUNTS, "physical capacity by resource; it counts for every resource named here"),
        "overcommit": Field(
            Table(RATIO), "how often each resource may be allocated: a decimal string, a number or a percentage", {}
        ),
        "reserved": Field(AMOUNTS, "kept from VMs, by resource", {}),
        "measured": Field(AMOUNTS, "what the host itself reports in use, by resource", {}),
        "state": Field(
            choice(*_HOST_STATES), "draining: VMs must leave; disabled: takes none; down: neither", "active"
        ),
        "error_count": Field(AMOUNT, "errors that count against it", None),
        "max_vms": Field(AMOUNT, "most VMs it may receive to", None),
        "busy": Field(Listing(choice(*(b.value for b in Busy)), unique=True), "passing reasons to take nothing", []),
        "pressure": Field(PRESSURE, "fractions of time that its VMs wait", {}),
        "pressure_window_s": Field(real(0, RATE_LIMIT), "seconds over which pressure was measured", None),
        "migration_mib_per_s": Field(real(SLOWEST_MIB_PER_S, RATE_LIMIT), "bandwidth for migrations", None),
        "observed_at": Field(when(), "when its inventory was read", None),
        "signals_at": Field(when(), "when its signals were read", None),
        "unobserved": Field(PROSE, "why it is not known what happens there: it neither gives nor takes", None),
        "full_in_s": Field(Table(real(0, RATE_LIMIT)), "seconds until it is full as it grows now, by resource", {}),
        "maintenance": Field(Listing(MAINTENANCE), "windows in which it has to be empty", []),
        "labels": Field(LABELS, "anything that policies choose hosts by", {}),
    },
)

VM = Record(
    "VM",
    {
        "id": Field(ID, "unique among the VMs"),
        "name": Field(NAME, "what people call it: shown beside its id, and never used in its place", None),
        "host": Field(Maybe(ID), "where it is; null: not placed yet, and left alone"),
        "demand": Field(AMOUNTS, "what it takes, by resource; 0 for those not named"),
        "owner": Field(ID, "whose it is", None),
        "groups": Field(Listing(ID, unique=True), "groups that it belongs to, declared or not", []),
        "created_at": Field(when(), "when it was made", None),
        "state": Field(choice(*_VM_STATES), "what it is doing", "running"),
        "mobility": Field(
            choice(*_MOBILITIES), "how it can be moved; only live moves unless the policy says more", "live"
        ),
        "mobility_reason": Field(Maybe(PROSE), "why it cannot move live", None),
        "requires": Field(
            Table(Listing(text(least=0), 1, unique=True)), "label of the host: values, one of which it must have", {}
        ),
        "forbidden_hosts": Field(Listing(ID, unique=True), "hosts that it must not be on", []),
        "no_move_until": Field(Maybe(when()), "it stays until then", None),
        "unobserved": Field(PROSE, "why it is not known what it does: it stays where it is", None),
        "sensitive": Field(flag(), "suffers more than others from noise", False),
        "noise": Field(NOISE, "what it does to others", {}),
        "pressure": Field(PRESSURE, "what it suffers: fractions of time", {}),
        "dirty_mib_per_s": Field(real(0, RATE_LIMIT), "how fast it writes to its memory", None),
        "move_cost": Field(real(0, RATE_LIMIT), "what moving it costs, in steps of 0.001 (rounded up)", None),
        "labels": Field(LABELS, "anything that policies choose VMs by", {}),
    },
)

_LEVEL = Field(LEVEL, "the level of domains that it speaks of", "host")
_HARDNESS = {
    "hardness": Field(choice("must", "should"), "must: never made worse, repaired if at all possible", "must"),
    "weight": Field(whole(1, 1000), "what one unit of excess counts", 1),
}
_WITH = Field(ID, "the other group")


def _group_rule(name: str, own: dict[str, Field]) -> Record:
    return Record(f"{name} rule", {"rule": Field(exactly(name), "which rule"), "level": _LEVEL, **own, **_HARDNESS})


GROUP_RULE = Tagged(
    "rule",
    {
        "anti_affinity": _group_rule(
            "anti_affinity", {"at_most": Field(whole(1, COUNT_LIMIT), "VMs of the group in any one domain", 1)}
        ),
        "spread": _group_rule(
            "spread", {"at_least": Field(whole(1, COUNT_LIMIT), "domains that the group has to occupy")}
        ),
        "together": _group_rule("together", {}),
        "apart": _group_rule("apart", {"with": _WITH}),
        "needs": _group_rule("needs", {"with": _WITH}),
    },
)

GROUP = Record(
    "group",
    {
        "id": Field(ID, "unique among the groups"),
        "rules": Field(Listing(GROUP_RULE), "what is asked of it; nothing if empty", []),
    },
)

INTERFERENCE = Record(
    "piece of evidence",
    {
        "noisy": Field(ID, "the VM that disturbs"),
        "suffers": Field(ID, "the VM that is disturbed"),
        "kind": Field(ID, "what they compete for"),
        "score": Field(real(0, 1e6), "how strong the evidence is"),
    },
)

_ENDS = {
    "vm": Field(ID, "which VM"),
    "from": Field(ID, "the host that it leaves"),
    "to": Field(ID, "the host that it goes to"),
    "started_at": Field(when(), "when the move began"),
}
_BY = Field(ID, "who ordered it", "other")

IN_FLIGHT = Record("move in flight", {"id": Field(ID, "unique among the moves in flight"), **_ENDS, "by": _BY})

PAST_MOVE = Record(
    "past move",
    {
        **_ENDS,
        "ended_at": Field(when(), "when it ended, not before it began"),
        "outcome": Field(choice(*(o.value for o in MoveOutcome)), "how it ended"),
        "by": _BY,
    },
)

FLEET = Record(
    "fleet",
    {
        "format": Field(exactly(FLEET_FORMAT), "the format's tag"),
        "fleet": Field(ID, "the fleet's name; ids are unique within it"),
        "taken_at": Field(when(), "when the snapshot was taken"),
        "simulated": Field(flag(), "a simulation left the fleet so; `taken_at` is by its clock", False),
        "resources": Field(Listing(RESOURCE, 1), "what hosts have and VMs need; any number"),
        "levels": Field(Listing(LEVEL, 1, unique=True), "kinds of domain; host is the first; they need not nest"),
        "move_within": Field(LEVEL, "no move leaves its domain of this level", None),
        "hosts": Field(Listing(HOST, 1), "the hosts"),
        "vms": Field(Listing(VM), "the VMs"),
        "groups": Field(Listing(GROUP), "declared groups; one that only VMs name is anti-affine on hosts", []),
        "interference": Field(Listing(INTERFERENCE), "pairs of VMs of which one disturbs the other", []),
        "in_flight": Field(Listing(IN_FLIGHT), "moves that others have in flight", []),
        "history_since": Field(when(), "since when the history is complete", None),
        "history": Field(Listing(PAST_MOVE), "past moves; deleted VMs and hosts are welcome", []),
    },
)
