"""What happens (events), and what to do about it (effects)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.execute.core.model import Held

if TYPE_CHECKING:
    from optimizer.execute.core.model import Moment
    from optimizer.execute.drivers import JobReading, VmReading
    from optimizer.execute.ledger.records import Change, Key
    from optimizer.execute.states import RunState

__all__ = [
    "Abort",
    "Answered",
    "AskGates",
    "Blocked",
    "Check",
    "Checked",
    "Effect",
    "End",
    "Event",
    "ForGuards",
    "GatesAnswered",
    "GroundRead",
    "Held",
    "HookAnswered",
    "Hooks",
    "Intend",
    "Intended",
    "Look",
    "Note",
    "Observe",
    "Observed",
    "OfGuards",
    "Proceed",
    "Proceeded",
    "ReadGround",
    "Record",
    "Skip",
    "Submit",
    "Tick",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    now: Moment


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a move in flight, by both observers; `blind` says why one of them could not tell."""

    key: Key
    job: JobReading | None
    vm: VmReading | None
    blind: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is in flight was looked at; `aside`: while a guard is waited for, whose answer comes next."""

    now: Moment
    looks: tuple[Look, ...]
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A move was held against a fresh reading: `change` says what is other than expected, empty if nothing is."""

    now: Moment
    key: Key
    change: str


@dataclass(frozen=True, slots=True)
class Intended:
    """The intent was written."""

    now: Moment
    key: Key


@dataclass(frozen=True, slots=True)
class Answered:
    """The move was submitted; `change` is its new state, as it was written down with the platform's name for it."""

    now: Moment
    change: Change
    job: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A safety forbids to start anything more. `withdrawn`: the intended move that was not submitted."""

    now: Moment
    reason: str
    abort: bool = False
    withdrawn: Key | None = None


@dataclass(frozen=True, slots=True)
class GatesAnswered:
    """The gates were asked: why some are closed, each beginning with its name; empty where all are open."""

    now: Moment
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HookAnswered:
    """The hooks before a move were called: why one objects, empty where none does."""

    now: Moment
    key: Key
    veto: str


@dataclass(frozen=True, slots=True)
class GroundRead:
    """The whole fleet was read again: what a rule finds beyond what is foreseen, empty where none does."""

    now: Moment
    change: str


@dataclass(frozen=True, slots=True)
class Proceeded:
    """A prepared move was told to copy: its new state; None where it waits on, for a limit or since it was refused."""

    now: Moment
    key: Key
    change: Change | None
    refused: bool = False


OfGuards = GatesAnswered | HookAnswered | GroundRead
Event = Tick | Observed | Checked | Intended | Held | Answered | Proceeded | Blocked | OfGuards


@dataclass(frozen=True, slots=True)
class Observe:
    """Look at these moves, job and inventory."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Hold a move against a fresh reading."""

    key: Key


@dataclass(frozen=True, slots=True)
class Intend:
    """Write the intent, unless a cap forbids it."""

    key: Key
    attempt: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit an intended move, unless the button or a new leader forbids it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Proceed:
    """Tell a prepared move to copy, unless a cap, the button or a new leader forbids it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Record:
    """Write down new states of moves."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """Write down that moves will not start: (move, why)."""

    moves: tuple[tuple[Key, str], ...]


@dataclass(frozen=True, slots=True)
class Abort:
    """Ask that a move be given up."""

    key: Key
    reason: str


@dataclass(frozen=True, slots=True)
class ReadGround:
    """Read the whole fleet again, and hold it against what is foreseen."""


@dataclass(frozen=True, slots=True)
class AskGates:
    """Ask every gate whether more moves may start."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Call the hooks before a move."""

    key: Key


@dataclass(frozen=True, slots=True)
class Note:
    """Write down what happened to the run other than to one of its moves."""

    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """Write down how the run ended."""

    state: RunState
    detail: str = ""


ForGuards = AskGates | Hooks | ReadGround | Note
Effect = Observe | Check | Intend | Submit | Proceed | Record | Skip | Abort | Wait | End | ForGuards
