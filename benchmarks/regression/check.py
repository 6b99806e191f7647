"""The whole check, and the making of the baseline that it compares with."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.regression.baseline import Baseline, machine
from benchmarks.regression.noise import Estimate, Figure, Finding, judge, of_series
from benchmarks.regression.quality import LARGER_IS_BETTER, measure_qualities
from benchmarks.regression.speed import TOLERANCE, measure_speeds, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Blurred", "Row", "as_documents", "as_table", "check", "compared", "refuse_blurred", "renew"]

SLOWER, SLOWER_ELSEWHERE, WORSE = 0.09, 0.33, 0.005
"""What is let pass however sure it is, as a logarithm: half of the 20 % and of the 1 % that have to be caught.

Ratios go with the machine; so on another one than the baseline's, more is let pass: the ratios of the compiled searches
were 27 % apart on two processors.
"""

CAUGHT = math.log(1.2)
"""What has to be caught of speed."""

SERIES = 4
"""Of speeds, for a baseline: every other one beside work that the machine is burdened with on purpose."""

ROOM = 0.75
"""Part of what has to be caught that the noise of a baseline may hide."""


class Blurred(Exception):
    """The machine was too noisy for a baseline that could be compared with; its text says of what."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its baseline; `finding` is None where the two cannot be compared, and `why` says why."""

    name: str
    now: float
    before: float
    finding: Finding | None
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it speaks against the program, or against the baseline."""
        return self.finding is None or self.finding.failed


def check(baseline: Baseline, tell: Callable[[str], None]) -> list[Row]:
    """Measure everything and compare it with a baseline."""
    qualities = measure_qualities(tell)
    tell("speed")
    allowed = SLOWER if baseline.machine == machine() else SLOWER_ELSEWHERE
    workloads = prepared()
    before = {name: figure.estimate for name, figure in baseline.speed.items()}
    measured = measure_speeds(workloads, before, allowed)
    speeds = {name: Figure(measured[name], workloads[name].digest) for name in workloads}
    tolerance = {name: workload.tolerance for name, workload in workloads.items()}
    return [*compared(speeds, baseline.speed, allowed, tolerance), *compared(qualities, baseline.quality, WORSE)]


def renew(tell: Callable[[str], None]) -> Baseline:
    """Measure everything anew: speeds several times, each in a process of its own.

    Raises
    ------
    Blurred
        If the figures scatter that much that a kernel made 20 % slower, or a solver made 1 % worse, could pass.
    """
    qualities = measure_qualities(tell)
    series = []
    for n in range(SERIES):
        tell(f"speed: series {n + 1} of {SERIES}")
        with _burden(n % 2 == 1), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            series.append(pool.submit(_series).result())
    speeds = {
        name: Figure(of_series([one[name].estimate.value for one in series]), first.digest)
        for name, first in series[0].items()
    }
    for name, figure in speeds.items():
        refuse_blurred(name, figure.estimate, Estimate(figure.estimate.value, 0.0), TOLERANCE.get(name, 1.0) * CAUGHT)
    for name, figure in qualities.items():
        refuse_blurred(name, figure.estimate, figure.estimate, math.log(1.01))
    return Baseline(machine(), speeds, qualities)


def refuse_blurred(name: str, before: Estimate, now: Estimate, caught: float) -> None:
    """Refuse a figure with which `caught` would not be beyond the limit by a good margin."""
    if judge(now, before, 0.0).limit > ROOM * caught:
        raise Blurred(f"{name} is {before.value:.4g} ± {100 * before.error:.2g} %")


def as_table(rows: list[Row]) -> str:
    """Return what was found, as Markdown."""
    lines = ["| what | now | baseline | worse by | may be | |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        if row.finding is None:
            cells = ["", "", f"**{row.why}**"]
        else:
            cells = [_percent(row.finding.worse), _percent(row.finding.limit), _verdict(row.finding)]
        lines.append("| " + " | ".join([row.name, f"{row.now:.5g}", f"{row.before:.5g}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def as_documents(rows: list[Row]) -> list[dict[str, object]]:
    """Return what was found, as plain data: `worse` and `limit` are logarithms of ratios, None where not compared."""
    return [
        {
            "name": row.name,
            "now": _number(row.now),
            "baseline": _number(row.before),
            "worse": _number(row.finding.worse) if row.finding else None,
            "limit": row.finding.limit if row.finding else None,
            "verdict": _verdict(row.finding).strip("*") if row.finding else row.why,
        }
        for row in rows
    ]


def _number(value: float) -> float | None:
    """Return a number that JSON knows."""
    return value if math.isfinite(value) else None


def compared(
    now: Mapping[str, Figure],
    before: Mapping[str, Figure],
    allowed: float,
    tolerance: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    """Yield each figure beside what it was; by its name, `tolerance` times as much as `allowed` is let pass."""
    for name in dict.fromkeys((*now, *before)):
        if name not in now or name not in before:
            figure = now.get(name) or before[name]
            missing = math.nan
            new = name in now
            values = (figure.estimate.value, missing) if new else (missing, figure.estimate.value)
            yield Row(name, *values, None, "not in the baseline" if new else "no longer measured")
            continue
        one, other = now[name].estimate, before[name].estimate
        if now[name].digest[:16] != before[name].digest[:16]:
            yield Row(name, one.value, other.value, None, "measured on other inputs")
        else:
            pair = (other, one) if name.endswith(f": {LARGER_IS_BETTER}") else (one, other)
            yield Row(name, one.value, other.value, judge(*pair, allowed * (tolerance or {}).get(name, 1.0)))


def _percent(log: float) -> str:
    return f"{100 * math.expm1(log):.2f} %"


def _verdict(finding: Finding) -> str:
    if finding.failed:
        return "**worse**"
    return "better: renew the baseline" if finding.improved else "as before"


def _series() -> dict[str, Figure]:
    workloads = prepared()
    nothing: dict[str, Estimate] = {}
    return {
        name: Figure(estimate, workloads[name].digest)
        for name, estimate in measure_speeds(workloads, nothing, SLOWER).items()
    }


@contextmanager
def _burden(wanted: bool) -> Iterator[None]:
    """Have two processes read memory at random meanwhile, as neighbours do who share caches and cores."""
    context = multiprocessing.get_context("spawn")
    burdens = [context.Process(target=_read_at_random, daemon=True) for _ in range(2 * wanted)]
    for burden in burdens:
        burden.start()
    try:
        yield
    finally:
        for burden in burdens:
            burden.terminate()
            burden.join()


def _read_at_random() -> None:
    numbers = np.arange(2**23, dtype=np.float64)
    order = np.random.default_rng(1).permutation(len(numbers))
    above = multiprocessing.parent_process()
    while above is None or above.is_alive():  # who is killed ends no daemon
        numbers[order].sum()
