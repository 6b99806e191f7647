"""The life of a piece of evidence: found, acted on, and then confirmed or refuted by what came of it. No I/O.

::

                 lasts, and is no chance              no longer on one host
        (none) ---------------------------> evident --------------------------> separated
         ^  ^                                | ^  ^                              |   |  |
         |  |   lasts no more, or unseen     | |  |        together again        |   |  |
         |  +--------------------------------+ |  +------------------------------+   |  |
         |                                     |                                     |  |
         |                                     |  together again                     |  |
         |         kept_s later                +------------ confirmed <-------------+  |
         +------------------------------------------------------+   the stall fell      |
         |                                                                              |
         |         rest_s later                                                         |
         +----------------------------------- refuted <---------------------------------+
                                                             it did not fall in time

On a host that a noisy VM has left, new pairs are found only in series that begin after that.

A pair that is evident, separated or confirmed is kept apart; a refuted one rests: for `rest_s` it is not found again.
The stall fell if its mean over one whole window, of the first `judged_within` after the separation, is lower than
before by at least `falls_by` x score. A pair that nobody can judge within `rest_s` (no samples) is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.signals.interference.attribution import attribute_all
from optimizer.signals.interference.places import Places
from optimizer.signals.interference.records import Change, Pair, Record, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from optimizer.signals.interference.attribution import Attribution, PairScore
    from optimizer.signals.interference.series import Observation
    from optimizer.signals.interference.settings import Settings

__all__ = ["TRANSITIONS", "Outcome", "update"]

TRANSITIONS: Mapping[State | None, frozenset[State | None]] = {
    None: frozenset({State.EVIDENT}),
    State.EVIDENT: frozenset({State.SEPARATED, None}),
    State.SEPARATED: frozenset({State.EVIDENT, State.CONFIRMED, State.REFUTED, None}),
    State.CONFIRMED: frozenset({State.EVIDENT, None}),
    State.REFUTED: frozenset({None}),
}
"""From which state a pair may come to which; None: not known."""


@dataclass(frozen=True)
class Outcome:
    """What an observation made of the evidence.

    Parameters
    ----------
    records
        What is known now, in the order of the pairs.
    changes
        What came to another state.
    attributions
        What the series said, host by host.
    """

    records: tuple[Record, ...]
    changes: tuple[Change, ...]
    attributions: tuple[Attribution, ...]


def update(
    records: Iterable[Record],
    observation: Observation,
    settings: Settings,
    host_of: Mapping[str, str | None] | None = None,
) -> Outcome:
    """Attribute the stalls of an observation, and take the evidence on.

    Parameters
    ----------
    records
        What was known before.
    observation
        The series, up to now.
    settings
        How evidence is judged.
    host_of
        Where each VM is now, by its snapshot; without it, where its series was last seen.
    """
    found = tuple(attribute_all(observation.hosts, settings))
    scores = {Pair(p.noisy, p.suffers, p.kind): p for a in found for p in a.pairs(settings)}
    stalls = {(a.kind, a.host, vm): float(stall) for a in found for vm, stall in zip(a.vms, a.stall, strict=True)}
    judge = _Judge(observation, settings, host_of, stalls)
    known = {record.pair: record for record in records}
    kept: list[Record] = []
    changes: list[Change] = []

    def take(pair: Pair, old: Record | None, new: Record | None, why: str) -> None:
        before, after = old.state if old else None, new.state if new else None
        if before is not after:
            changes.append(Change(pair, before, after, why))
        if new is not None:
            kept.append(new)

    for pair, old in sorted(known.items()):
        take(pair, old, *judge.next(old, scores.get(pair)))
    changed = _changed(kept, observation, settings)
    for attribution in found:
        if (attribution.kind, attribution.host) not in changed:
            for score in attribution.evidence(settings):
                pair = Pair(score.noisy, score.suffers, score.kind)
                if pair not in known:
                    take(pair, None, *judge.found(pair, score))
    return Outcome(tuple(sorted(kept, key=lambda record: record.pair)), tuple(changes), found)


def _changed(records: Iterable[Record], observation: Observation, settings: Settings) -> set[tuple[str, str]]:
    """Return the hosts, by kind, that a noisy VM left within the windows: what is seen there is still its doing."""
    span = timedelta(seconds=settings.windows * settings.window * observation.interval_s)
    return {
        (record.kind, record.host)
        for record in records
        if record.apart_at is not None and observation.ends_at - record.apart_at < span
    }


class _Judge:
    """Says what becomes of a pair, given what was known and what is seen."""

    def __init__(
        self,
        observation: Observation,
        settings: Settings,
        host_of: Mapping[str, str | None] | None,
        stalls: Mapping[tuple[str, str, str], float],
    ) -> None:
        self.observation, self.settings, self.now = observation, settings, observation.ends_at
        self.host_of, self.stalls, self.places = host_of, stalls, Places(observation)

    def next(self, old: Record, score: PairScore | None) -> tuple[Record | None, str]:
        """Return the record as it is now, and why; one step at most, by `TRANSITIONS`."""
        if old.state is State.REFUTED:
            rests = self.now - old.since < timedelta(seconds=self.settings.rest_s)
            return (old, "") if rests else (None, "it has rested")
        if old.state is State.EVIDENT:
            return self._evident(old, score)
        return self._apart(old, score)

    def found(self, pair: Pair, score: PairScore) -> tuple[Record | None, str]:
        """Return a new record, if the two are still together."""
        if not self._together(pair):
            return None, ""
        stall = self.stalls[score.kind, score.host, score.suffers]
        record = Record(
            **pair._asdict(), state=State.EVIDENT, since=self.now, seen_at=self.now, stall_before=stall, **_facts(score)
        )
        return record, "it costs that much, lasts, and is no chance"

    def _evident(self, old: Record, score: PairScore | None) -> tuple[Record | None, str]:
        if not self._together(old.pair):
            if self._gone(old.pair):
                return self._unseen(old)
            return old.now(State.SEPARATED, self.now, apart_at=self._apart_at(old)), "they are on different hosts"
        if score is None and not self._judged(old):
            return self._unseen(old)
        s = self.settings
        if score is None or score.score < s.score_until or score.lasted < s.still_lasts:
            return None, "it costs less now"
        stall = self.stalls[score.kind, score.host, score.suffers]
        return replace(old, seen_at=self.now, stall_before=stall, **_facts(score)), ""

    def _apart(self, old: Record, score: PairScore | None) -> tuple[Record | None, str]:
        if self._together(old.pair):
            more = {} if score is None else _facts(score)
            return old.now(State.EVIDENT, self.now, apart_at=None, stall_after=None, **more), "they are together again"
        age = (self.now - old.since).total_seconds()
        if old.state is State.CONFIRMED:
            return (old, "") if age < self.settings.kept_s else (None, "it was kept apart for long enough")
        return self._judge_separation(old, age)

    def _judge_separation(self, old: Record, age: float) -> tuple[Record | None, str]:
        s, after = self.settings, self._windows_after(old)
        limit = old.stall_before - s.falls_by * old.score
        known = [mean for mean in after if mean is not None]
        for mean in known:
            if mean <= limit:
                return old.now(State.CONFIRMED, self.now, stall_after=mean), "the stall fell"
        if len(after) == s.judged_within and known:
            return old.now(State.REFUTED, self.now, stall_after=known[-1]), "the stall did not fall"
        if age >= s.rest_s:
            return None, "the stall after the separation is not known"
        return replace(old, stall_after=known[-1] if known else None), ""

    # -- what is seen ------------------------------------------------------------------------------------------------

    def _host(self, vm: str, kind: str) -> str | None:
        return self.places.host(vm, kind) if self.host_of is None else self.host_of.get(vm)

    def _together(self, pair: Pair) -> bool:
        hosts = {self._host(pair.noisy, pair.kind), self._host(pair.suffers, pair.kind)}
        return len(hosts) == 1 and None not in hosts

    def _gone(self, pair: Pair) -> bool:
        """Whether nobody knows where one of them is."""
        return None in (self._host(pair.noisy, pair.kind), self._host(pair.suffers, pair.kind))

    def _judged(self, old: Record) -> bool:
        """Whether the host's series were long enough, and knew both."""
        return not np.isnan(self.stalls.get((old.kind, old.host, old.suffers), np.nan)) and self.places.seen(
            old.noisy, old.kind
        )

    def _unseen(self, old: Record) -> tuple[Record | None, str]:
        """Keep for a while what cannot be judged now: as long as the series that made it evidence."""
        s = self.settings
        span = timedelta(seconds=s.window * s.windows * self.observation.interval_s)
        return (old, "") if self.now - old.seen_at <= span else (None, "it has not been seen for long")

    def _apart_at(self, old: Record) -> datetime:
        last = self.places.last_together(old.noisy, old.suffers, old.kind)
        if last is None:
            return old.seen_at
        back = self.observation.length - 1 - last
        return max(self.now - timedelta(seconds=back * self.observation.interval_s), old.seen_at)

    def _windows_after(self, old: Record) -> list[float | None]:
        """Return the victim's mean stall in the first windows after the separation, as far as they are over.

        None stands for one of which too few samples are known: it was before the series begin, say.
        """
        s, out = self.settings, list[float | None]()
        first = self.observation.sample_of(old.apart_at or old.since) + s.lag
        stall = self.places.stall(old.suffers, old.kind)
        for begins in range(first, first + s.judged_within * s.window, s.window):
            if begins + s.window > len(stall):
                break
            window = stall[max(begins, 0) : max(begins + s.window, 0)]
            known = window[np.isfinite(window)]
            out.append(float(known.mean()) if len(known) >= s.present * s.window else None)
        return out


def _facts(score: PairScore) -> dict[str, Any]:
    return {
        "host": score.host,
        "score": score.score,
        "p": score.p,
        "lasted": score.lasted,
        "windows": score.windows,
    }
