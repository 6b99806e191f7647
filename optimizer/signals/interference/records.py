"""What is known of a pair of VMs: plain records, as they are kept between runs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from optimizer.sources.kinds import parse_time, time_text

__all__ = ["Change", "Pair", "Record", "State"]


class State(Enum):
    """Where a pair stands; `confirmation` says how it comes there."""

    EVIDENT = "evident"
    SEPARATED = "separated"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


class Pair(NamedTuple):
    """Which VM disturbs which, in what they compete for."""

    noisy: str
    suffers: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A pair and what is known of it.

    Parameters
    ----------
    noisy, suffers, kind
        The pair.
    state
        Where it stands.
    since
        When it came there.
    seen_at
        The end of the last series in which it was judged.
    host
        Where they were together last.
    score, p, lasted, windows
        As `PairScore` has them, when they were together last.
    stall_before
        The victim's mean stall then.
    apart_at
        The last time that they were seen together; None while they are.
    stall_after
        The victim's mean stall in the last whole window after the separation; None before there is one.
    """

    noisy: str
    suffers: str
    kind: str
    state: State
    since: datetime
    seen_at: datetime
    host: str
    score: float
    p: float
    lasted: int
    windows: int
    stall_before: float
    apart_at: datetime | None = None
    stall_after: float | None = None

    @property
    def pair(self) -> Pair:
        """The pair that it is of."""
        return Pair(self.noisy, self.suffers, self.kind)

    @property
    def counts(self) -> bool:
        """Whether the pair is to be kept apart."""
        return self.state is not State.REFUTED

    def now(self, state: State, at: datetime, **more: Any) -> Record:
        """Return the record in another state."""
        return replace(self, state=state, since=at, seen_at=at, **more)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, times in RFC 3339."""
        out: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in out.items():
            if isinstance(value, datetime):
                out[name] = time_text(value)
        out["state"] = self.state.value
        return out

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Record:
        """Return the record that `to_dict` made these values of.

        Raises
        ------
        ValueError
            If they are not of one, naming the field.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            odd = sorted(set(values) ^ names)[0]
            raise ValueError(f"{odd}: {'not a field of a record' if odd in values else 'missing'}")
        out = dict(values)
        try:
            out["state"] = State(values["state"])
        except ValueError:
            raise ValueError(f"state: {values['state']!r} is none of {', '.join(s.value for s in State)}") from None
        for name in ("since", "seen_at", "apart_at"):
            out[name] = _time(name, values[name])
        for name, kinds in _KINDS.items():
            if not isinstance(values[name], kinds) or isinstance(values[name], bool):
                raise ValueError(f"{name}: {values[name]!r} is no {kinds[0].__name__}")
        return cls(**out)


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("noisy", "suffers", "kind", "host"), (str,)),
    **dict.fromkeys(("score", "p", "stall_before"), (float, int)),
    **dict.fromkeys(("lasted", "windows"), (int,)),
    "stall_after": (float, int, type(None)),
}


def _time(name: str, text: object) -> datetime | None:
    if text is None and name == "apart_at":
        return None
    at = parse_time(text) if isinstance(text, str) else None
    if at is None:
        raise ValueError(f"{name}: {text!r} is no time with an offset, such as 2026-11-21T12:00:00Z")
    return at


class Change(NamedTuple):
    """A pair that came to another state; None: it was or is not known."""

    pair: Pair
    before: State | None
    after: State | None
    why: str
