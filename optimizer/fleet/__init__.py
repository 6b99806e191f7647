"""WHAT IS: hosts, VMs, the fleet, the facts of a VM's journey, and states of a plan in flight.

Nothing here reads or writes; nothing here knows what is asked of a fleet.

May not enter: reading and writing, rules, what is asked of a fleet.
"""

from optimizer.fleet.carrying import Carrying, How, carrying
from optimizer.fleet.clones import with_copies
from optimizer.fleet.directory import Directory, NameKind
from optimizer.fleet.fleet import (
    ABSENT,
    AMOUNT_LIMIT,
    Busy,
    Fleet,
    Group,
    GroupRule,
    Hosts,
    HostState,
    InFlight,
    Interference,
    Mobility,
    MoveOutcome,
    PastMove,
    Pressure,
    Resource,
    Vms,
    VmState,
    Window,
)
from optimizer.fleet.journey import copied_mib, link_mib_per_s, move_seconds
from optimizer.fleet.measured import measured_after
from optimizer.fleet.state import Move, State

__all__ = [
    "ABSENT",
    "AMOUNT_LIMIT",
    "Busy",
    "Carrying",
    "Directory",
    "Fleet",
    "Group",
    "GroupRule",
    "HostState",
    "Hosts",
    "How",
    "InFlight",
    "Interference",
    "Mobility",
    "Move",
    "MoveOutcome",
    "NameKind",
    "PastMove",
    "Pressure",
    "Resource",
    "State",
    "VmState",
    "Vms",
    "Window",
    "carrying",
    "copied_mib",
    "link_mib_per_s",
    "measured_after",
    "move_seconds",
    "with_copies",
]
