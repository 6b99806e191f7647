"""What the core knows: the moves of the plan, those in flight, how fast to go, and whether to go at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from optimizer.execute.core.speeds import Link, Sharing
from optimizer.execute.states import ENDED, MoveState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.execute.caps import Token
    from optimizer.execute.ledger.records import Key
    from optimizer.execute.states import Failure
    from optimizer.execution import TimeWindow

__all__ = ["Ended", "Flight", "Gating", "Ground", "Held", "Moment", "Pace", "Settings", "State", "Task"]

GIB = 1024
OVER = frozenset(state.value for state in ENDED)


class Moment(NamedTuple):
    """A time: the date that people and the ledger know, and seconds that never jump."""

    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Settings:
    """How a plan is carried out; all times in seconds.

    Attributes
    ----------
    poll_s
        Between two looks at what is in flight.
    canary
        Moves at once at first, and how many have to end before there are more.
    fleet_cap
        Moves at once in the fleet, at most.
    attempts
        How often a move may be tried where it failed for a temporary reason.
    backoff_s, longest_backoff_s
        Before the second attempt; doubled each time, up to the longest.
    stall_s
        A move is aborted when the minimum of its remaining bytes has not improved for this long.
    seconds_per_gib, least_timeout_s
        A move is aborted when it takes longer than this for what it copies.
    settles_s
        After this a submit whose reply was lost has taken effect, or never will, and an inventory shows what is so: the
        driver says how long that is.
    patience_s
        How long, when nothing else is left to do, moves in the state unknown are waited for.
    breaker_hosts, breaker_share
        The run stops when that number of hosts failed to receive, or this share of the moves that ended (of at least
        `canary`).
    windows
        When moves may start; empty: always.
    gates
        Whether there are gates, which have to be open after the canary and then each time that `gate_every` moves
        have ended since.
    gate_again_s, gate_hold_s
        After how long a closed gate is asked again, and after how long one that stays closed stops the run.
    hooks
        Whether there are hooks to be called before a move.
    apart
        Whether the driver holds back: what is submitted prepares, and copies when it is told to.
    adapts
        Whether the number of moves at once follows how it goes; otherwise only the caps and the canary limit it.
    ground_s
        How old the last look at the whole fleet may be when a move starts: as old as the plan may be.
    """

    poll_s: float = 2.0
    canary: int = 5
    fleet_cap: int = 5
    attempts: int = 2
    backoff_s: float = 20.0
    longest_backoff_s: float = 3600.0
    stall_s: float = 150.0
    seconds_per_gib: float = 150.0
    least_timeout_s: float = 600.0
    settles_s: float = 60.0
    patience_s: float = 600.0
    breaker_hosts: int = 10
    breaker_share: float = 0.4
    windows: tuple[TimeWindow, ...] = ()
    gates: bool = False
    gate_every: int = 20
    gate_again_s: float = 30.0
    gate_hold_s: float = 900.0
    hooks: bool = False
    ground_s: float = float("inf")
    apart: bool = False
    adapts: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """The intent was not written: a limit, whether only moves by others are in the way, and whether time lifts it.

    `of_all`: it lets no other move start now either.
    """

    now: Moment
    key: Key
    reason: str
    by_others: bool
    passes: bool = False
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A move of the plan, with what it takes of each cap; `rank` orders those that may start, the lowest first.

    `links` are what it is copied over, as far as the snapshot knows, `dirties_mib_s` what its guest dirties meanwhile
    (None: it does not say).
    """

    key: Key
    vm: str
    source: str
    target: str
    after: tuple[Key, ...]
    seconds: float
    copied_mib: int
    rank: tuple[float, ...]
    tokens: tuple[Token, ...] = ()
    links: tuple[Link, ...] = ()
    dirties_mib_s: float | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """A move in flight, of this plan or of another, and what was seen of it.

    Attributes
    ----------
    since
        Seconds at which it was submitted, or first seen after a restart.
    belief
        How it seems to have ended, as a word; empty while it has not.
    agreed, belief_since
        In how many looks in a row it seemed so, and since when.
    looked_at
        When it was looked at last; None before.
    blind
        How many looks in a row could not be had.
    least_mib, improved_at
        The minimum of the remaining bytes, and when it was reached.
    unknown_since
        Since when it is unknown; None where it is not.
    aborts
        How often it was asked to be given up, and why.
    ready, refused
        It is prepared and waits to be told to copy; how often the platform refused to.
    left_mib, left_at, rate_mib_s
        What was left to copy at the latest look, when that was, and how fast it was copied until then, with what its
        guest dirtied, as far as the snapshot says; None before two looks.
    sampled
        What its guest dirties was taken in.
    """

    key: Key
    vm: str
    source: str
    target: str
    copied_mib: int
    attempt: int
    state: MoveState
    since: float
    tokens: tuple[Token, ...] = ()
    started_at: datetime | None = None
    job: str = ""
    belief: str = ""
    agreed: int = 0
    belief_since: float = 0.0
    looked_at: float | None = None
    looks: int = 0
    blind: int = 0
    least_mib: float | None = None
    improved_at: float = 0.0
    unknown_since: float | None = None
    aborts: int = 0
    abort_reason: str = ""
    ready: bool = False
    refused: int = 0
    inherited: bool = False
    left_mib: float | None = None
    left_at: float = 0.0
    rate_mib_s: float | None = None
    sampled: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows what became of it."""
        return self.state is MoveState.UNKNOWN

    @property
    def seems_over(self) -> bool:
        """Whether the latest look found that it has ended; until that is confirmed its state is an older one."""
        return self.belief.partition(" ")[0] in OVER


@dataclass(frozen=True, slots=True)
class Ended:
    """How a move ended."""

    state: MoveState
    detail: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How many moves may be in flight: starts at the canary's size, grows while all goes well, is halved on a problem.

    Until the first problem it is doubled with each look that finds all in flight well, be it that only the canary may
    be in flight yet, so that what follows a canary that went well is as much as the caps let; after a problem, only
    a part of the fleet's cap is added for each window of time without a problem (TCP's slow start and congestion
    avoidance: Jacobson, Congestion avoidance and control, SIGCOMM 1988).

    Attributes
    ----------
    slowed_at, good_since
        When it was halved last, and since when all goes well in this window.
    """

    limit: int
    slowed: bool = False
    slowed_at: float = float("-inf")
    good_since: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Gating:
    """How the gates stand.

    Attributes
    ----------
    opened_at
        How many moves had ended when they were asked last of those times that all were open; None before.
    asked_at, asked_after, since
        When they were asked last, after how many moves, and when first without being open since; None where they are
        open, or not yet due.
    closed
        Why they are closed, as it was said last.
    """

    opened_at: int | None = None
    asked_at: float | None = None
    asked_after: int = 0
    since: float | None = None
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """When the whole fleet was last read as foreseen (the snapshot, at first).

    `seen`: how often in a row something else was read since; `not_before`: when it may be read again.
    """

    read_at: float = 0.0
    not_before: float = 0.0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All that the core knows.

    Attributes
    ----------
    waiting
        Moves that have not started (or wait for another attempt), by rank.
    not_before
        Move -> seconds before which it is not tried again.
    attempts
        Move -> attempts made.
    queue
        What may start in this round, in order; the first is being looked at.
    ready
        What may be told to copy in this round, in order.
    held
        Why moves could not start in this round.
    unreconciled
        Open moves of before this run that were not yet seen often enough: nothing new starts before.
    finished
        How many moves of this run ended, well or not: for the canary and the breaker.
    bad_hosts
        Hosts that did not receive what they were to.
    gating
        How the gates stand.
    ground
        How old the last look at everything is.
    called
        Move -> seconds at which the hooks before it were called, and none objected.
    stopped
        The safety that stopped the run; empty if none did.
    sharing
        What was learned of copies that share a host's card.
    unwritten
        Moves that will not start, as was known before a crash but not written down, and why.
    """

    settings: Settings
    tasks: Mapping[Key, Task]
    waiting: tuple[Key, ...]
    pace: Pace
    flying: Mapping[Key, Flight] = field(default_factory=dict)
    ended: Mapping[Key, Ended] = field(default_factory=dict)
    not_before: Mapping[Key, float] = field(default_factory=dict)
    attempts: Mapping[Key, int] = field(default_factory=dict)
    queue: tuple[Key, ...] = ()
    ready: tuple[Key, ...] = ()
    held: Mapping[Key, Held] = field(default_factory=dict)
    unreconciled: frozenset[Key] = frozenset()
    finished: int = 0
    failures: int = 0
    bad_hosts: frozenset[str] = frozenset()
    gating: Gating = Gating()
    ground: Ground = Ground()
    called: Mapping[Key, float] = field(default_factory=dict)
    stopped: str = ""
    sharing: Sharing = field(default_factory=Sharing)
    unwritten: tuple[tuple[Key, str], ...] = ()
    aborting: bool = False
    over: bool = False
