"""Runs trials: command and peer in turn, several times, medians; then the judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Measured, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.case import Trial

__all__ = ["Row", "run"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a trial came to: medians over `runs`; `peer_wall_s` of the reference; figures of the answer."""

    label: str
    runs: int
    wall_s: float
    cpu_s: float
    peak_mib: float
    peer_wall_s: float
    verdict: str
    answer: Mapping[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Wall time over the reference's."""
        return self.wall_s / self.peer_wall_s


def run(trial: Trial, repeat: int, tell: Callable[[str], None]) -> Row:
    """Measure a trial.

    A failed command still makes a row: the verdict says how it ended, and its figures are those of the failure.
    """
    runs: list[Measured] = []
    peers: list[Measured] = []
    for n in range(repeat):
        tell(f"{trial.label}: run {n + 1} of {repeat}")
        peers.append(measure(trial.peer))
        runs.append(measure(trial.command))
        if runs[-1].exit_code not in trial.ends or peers[-1].exit_code:
            break
    return Row(
        label=trial.label,
        runs=len(runs),
        wall_s=median(m.wall_s for m in runs),
        cpu_s=median(m.cpu_s for m in runs),
        peak_mib=median(m.peak_mib for m in runs),
        peer_wall_s=median(m.wall_s for m in peers),
        verdict=_verdict(trial, runs[-1], peers[-1]),
        answer=trial.read(runs[-1].printed) if runs[-1].exit_code in trial.ends else {},
    )


def _verdict(trial: Trial, last: Measured, peer: Measured) -> str:
    """Say how it ended: `verified` where a judge agreed, `done` where there is none."""
    if peer.exit_code:
        return f"peer failed: {_last_line(peer)}"
    if last.exit_code not in trial.ends:
        return f"exit {last.exit_code}: {_last_line(last)}"
    if trial.judge is None:
        return "done"
    judged = measure(trial.judge(last.printed))
    return "verified" if judged.exit_code == 0 else f"refused ({judged.exit_code}): {_last_line(judged)}"


def _last_line(measured: Measured) -> str:
    lines = measured.complained.strip().splitlines()
    return lines[-1][:120] if lines else "no message"
