"""Any expression of PromQL as a monitor: alerts that operators have already, or a number with two levels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.monitors.columns import GONE
from optimizer.monitors.machine import Judged
from optimizer.monitors.reading import Lookout, Reading, Unclear
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Live, Observation

__all__ = ["ByQuery"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ByQuery(Lookout):
    """Watches what an expression returns.

    Without levels it is read as an alert: a series that comes back is bad, one that does not is well. With levels
    every series has a number: beyond the one it is bad, within the other it is well, and one that does not come back
    is missing.

    Parameters
    ----------
    query
        The expression; for an alert without its `for`, which is `open_after_s` here.
    subject
        The labels that name what it is about, joined by a space. A port at the end of `instance` is left off. A series
        without any label is about the fleet; one that has labels, and none of these, is not judged.
    opens_above, closes_below
        Levels of a number that is bad when it is high; both or none.
    opens_below, closes_above
        Levels of a number that is bad when it is low; both or none.
    """

    monitor: Literal["promql"] = "promql"
    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    query: str = Field(min_length=1, max_length=16384)
    subject: tuple[str, ...] = Field(default=("instance",), min_length=1, max_length=16)
    opens_above: float | None = None
    closes_below: float | None = None
    opens_below: float | None = None
    closes_above: float | None = None

    def __post_init__(self) -> None:
        """Refuse levels that do not fit together."""
        high, low = (self.opens_above, self.closes_below), (self.opens_below, self.closes_above)
        if (None in high) != (high == (None, None)) or (None in low) != (low == (None, None)):
            raise ValueError("opens_above goes with closes_below, and opens_below with closes_above")
        if None not in high and None not in low:
            raise ValueError("a number is bad when it is high or when it is low: give one pair of levels")
        if self.opens_above is not None and self.closes_below is not None and self.closes_below >= self.opens_above:
            raise ValueError("closes_below has to be less than opens_above")
        if self.opens_below is not None and self.closes_above is not None and self.closes_above <= self.opens_below:
            raise ValueError("closes_above has to be more than opens_below")

    @property
    def _has_levels(self) -> bool:
        return self.opens_above is not None or self.opens_below is not None

    def queries(self) -> Iterable[str]:
        """Return the expression."""
        return (self.query,)

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge every series that came back, and every live subject."""
        answer = seen.answers.get(self.query, Unclear("nobody asked: there is no Prometheus in the configuration"))
        if isinstance(answer, Unclear):
            for subject in live or ("",):
                yield Reading(subject, Judged.MISSING, why=answer.why)
            return
        if not answer.series and not live and self._has_levels:
            yield Reading("", Judged.MISSING, why="the query has no series")
        found: set[str] = set()
        for labels, value in answer.series:
            subject = self._subject(labels, seen.fleet)
            if not subject:
                yield Reading("", Judged.MISSING, why=self._no_subject(labels))
                continue
            judged = self._judged(value)
            if judged is not Judged.WELL or subject in live:
                why = f"its value is {value}" if judged is Judged.MISSING else ""
                yield Reading(subject, judged, "", self._evidence(labels, value), why)
            found.add(subject)
        for subject in live:
            if subject not in found:
                yield self._absent(subject, live[subject], seen.fleet)

    def _absent(self, subject: str, before: Mapping[str, Any], fleet: Fleet) -> Reading:
        """Judge what does not come back: an alert is well then, a number is missing, or its host is gone."""
        if not self._has_levels:
            return Reading(subject, Judged.WELL, "", {**before, "firing": False})
        gone = subject not in fleet.host_index and subject not in fleet.vm_index
        return Reading(
            subject, Judged.GONE if gone else Judged.MISSING, why=GONE if gone else "the query has no such series"
        )

    def _judged(self, value: float) -> Judged:
        if self.opens_above is not None and self.closes_below is not None:
            if math.isnan(value):
                return Judged.MISSING
            bad, well = value > self.opens_above, value <= self.closes_below
        elif self.opens_below is not None and self.closes_above is not None:
            if math.isnan(value):
                return Judged.MISSING
            bad, well = value < self.opens_below, value >= self.closes_above
        else:
            return Judged.BAD
        return Judged.BAD if bad else Judged.WELL if well else Judged.BETWEEN

    def _evidence(self, labels: Mapping[str, str], value: float) -> dict[str, Any]:
        levels = ("opens_above", "closes_below", "opens_below", "closes_above")
        said: dict[str, Any] = {name: getattr(self, name) for name in levels if getattr(self, name) is not None}
        shown = {"value": value} if math.isfinite(value) else {"value_text": str(value)}
        return {**shown, **said, "labels": dict(sorted(labels.items()))}

    def _no_subject(self, labels: Mapping[str, str]) -> str:
        """Say of a series why it is about nothing."""
        wanted = " or ".join(self.subject)
        return (
            f"its series have no label {wanted}: they have {', '.join(sorted(labels))} (`subject` says which name it)"
        )

    def _subject(self, labels: Mapping[str, str], fleet: Fleet) -> str:
        """Return what a series is about; without any label it is about the fleet."""
        if not labels:
            return fleet.id
        parts = [labels.get(name, "") for name in self.subject]
        text = " ".join(part for part in parts if part)
        bare = text.rpartition(":")[0]
        return bare if text.rpartition(":")[2].isdecimal() and bare and text not in fleet.host_index else text
