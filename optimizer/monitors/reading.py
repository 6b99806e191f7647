"""What monitors look at, and what they say: readings, each of one subject."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.monitors.machine import Judged
    from optimizer.problem.rule import Rule

__all__ = ["Answer", "Live", "Lookout", "Monitor", "Observation", "Reading", "Samples", "Unclear"]

Live = dict[str, "Mapping[str, Any]"]
"""The subjects of a monitor that are pending, open or closing, each with the evidence of its last reading."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The answer to a query: the labels of each series, and its value."""

    series: Sequence[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class Unclear:
    """There is no answer to a query, or none that one may go on by, and why."""

    why: str


Answer = Samples | Unclear


@dataclass(frozen=True)
class Observation:
    """What is looked at, of one time.

    Attributes
    ----------
    at
        When it was so: the snapshot's time.
    rules
        Those of the policy.
    answers
        By query; a query that nobody asked has none.
    """

    fleet: Fleet
    at: datetime
    rules: Sequence[Rule] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a monitor says of one subject now.

    Attributes
    ----------
    place
        Where the subject is, where it is not that itself.
    evidence
        Values, limits, names; plain JSON. Of one that is missing, nothing.
    why
        Why it is missing.
    """

    subject: str
    judged: Judged
    place: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Monitor(Protocol):
    """Says how subjects are. One monitor watches many subjects, and has one name."""

    @property
    def name(self) -> str:
        """What it is called in the ledger."""

    @property
    def open_after_s(self) -> int:
        """How long readings are bad until an imbalance opens."""

    @property
    def close_after_s(self) -> int:
        """How long readings are well until it closes."""

    def queries(self) -> Iterable[str]:
        """Return what has to be asked before."""

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge what is not well, and every live subject; a subject that is neither is well.

        Subjects that cannot be judged come as missing, whether they are live or not.
        """


@checked(frozen=True, kw_only=True, config=STRICT)
class Lookout:
    """What every monitor has.

    Parameters
    ----------
    name
        What it is called in the ledger; its kind, unless it is said.
    open_after_s, close_after_s
        How long readings are bad until an imbalance opens, and well until it closes.
    """

    name: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9._-]*$")
    open_after_s: int = Field(default=300, ge=0, le=2_592_000)
    close_after_s: int = Field(default=600, ge=0, le=2_592_000)

    def queries(self) -> Iterable[str]:
        """Return what has to be asked before: nothing."""
        return ()
