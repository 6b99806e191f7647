"""Runs trials: command and peer in turn, several times, medians; then the judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Measured, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.case import Party, Trial

__all__ = ["GOOD", "Outcome", "Row", "run"]

GOOD = ("done", "verified")
"""Verdicts of an answer that counts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one party came to: medians over its runs, what the judge said, and figures of the answer."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    verdict: str
    answer: Mapping[str, object] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether the answer counts."""
        return self.verdict in GOOD


@dataclass(frozen=True, slots=True)
class Row:
    """What a trial came to: the program beside its peer, and how often each was run."""

    label: str
    runs: int
    ours: Outcome
    peer: Outcome
    peer_must_succeed: bool = True

    @property
    def good(self) -> bool:
        """Whether the trial counts."""
        return self.ours.good and (self.peer.good or not self.peer_must_succeed)


def run(trial: Trial, repeat: int, tell: Callable[[str], None]) -> Row:
    """Measure a trial.

    A failed command still makes a row: the verdict says how it ended, and its figures are those of the failure.
    """
    ours: list[Measured] = []
    peers: list[Measured] = []
    for n in range(repeat):
        tell(f"{trial.label}: run {n + 1} of {repeat}")
        peers.append(measure(trial.peer.command, trial.peer.limit_s))
        ours.append(measure(trial.ours.command, trial.ours.limit_s))
        if _failed(trial.ours, ours[-1]) or _failed(trial.peer, peers[-1]):
            break
    return Row(trial.label, len(ours), _outcome(trial.ours, ours), _outcome(trial.peer, peers), trial.peer_must_succeed)


def _failed(party: Party, measured: Measured) -> bool:
    return measured.stopped or measured.exit_code not in party.ends


def _outcome(party: Party, runs: Sequence[Measured]) -> Outcome:
    last = runs[-1]
    return Outcome(
        wall_s=median(m.wall_s for m in runs),
        cpu_s=median(m.cpu_s for m in runs),
        peak_mib=median(m.peak_mib for m in runs),
        verdict=_verdict(party, last),
        answer={} if _failed(party, last) else party.read(last.printed),
    )


def _verdict(party: Party, last: Measured) -> str:
    """Say how it ended: `verified` where a judge agreed, `done` where there is none."""
    if last.stopped:
        return f"stopped at {party.limit_s:g} s"
    if last.exit_code not in party.ends:
        return f"exit {last.exit_code}: {_last_line(last)}"
    if party.judge is None:
        return "done"
    judged = measure(party.judge(last.printed))
    return "verified" if judged.exit_code == 0 else f"refused ({judged.exit_code}): {_last_line(judged)}"


def _last_line(measured: Measured) -> str:
    lines = measured.complained.strip().splitlines()
    return lines[-1][:120] if lines else "no message"
