"""The whole trial of limits and interrupts as one table: every kind of fleet at every limit.

    python -m benchmarks.stress.table [--fleets 7] [--limits 1 2 5 10] [--interrupts 7] [--kinds KIND ...]
                                      [--size-times N] [--keep FILE]

prints for each kind and limit how many processes were run, how many were late or failed, and the CPU seconds of the
latest beyond the limit and its allowance (negative: that much before it); for interrupts the seconds that the slowest
took to end, and how many left a plan. It ends with 1 if one was late or failed.

`--keep FILE` writes each cell to a file as it is measured, and takes from there what was measured before: so it can be
run in parts, and stopped.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.stress.fleets import KINDS
from benchmarks.stress.trial import interrupted_runs, limited_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Cell", "Result", "measured", "table"]

INTERRUPTED_WITHIN_S = 3.0
"""CPU seconds within which an interrupt is sent: while libraries load, while it reads, and while it searches."""


class Cell(NamedTuple):
    """What is measured together: a trial (`limits`, `interrupts`), a kind of fleet, its limit, and how many fleets.

    `size_times`: how many times their usual size these have.
    """

    trial: str
    kind: str
    limit_s: float
    fleets: int
    size_times: int = 1


class Result(NamedTuple):
    """What a cell showed. `worst_s` as the columns have it; `plans`: how many left a plan (interrupts only)."""

    runs: int
    late: int
    failed: list[str]
    worst_s: float
    plans: int


def measured(cell: Cell) -> Result:
    """Run the processes of a cell."""
    runs = limited_runs if cell.trial == "limits" else interrupted_runs
    found = runs(cell.kind, range(cell.fleets), cell.limit_s, cell.size_times)
    return Result(found["fleets"], found["late"], found["failed"], found["worst_s"], found.get("plans", 0))


def table(results: dict[Cell, Result]) -> Iterator[str]:
    """Yield the lines of the table, and one with the sums of limits and of interrupts."""
    columns = sorted({(c.trial != "limits", c.trial, c.limit_s) for c in results})
    titles = [f"{limit:g} s" if trial == "limits" else "interrupted" for _, trial, limit in columns]
    yield "| " + " | ".join(["kind", *titles]) + " |"
    yield "|" + "|".join(["---", *("--:" for _ in columns)]) + "|"
    for kind in dict.fromkeys(c.kind for c in results):
        there = [
            [r for c, r in results.items() if (c.kind, c.trial, c.limit_s) == (kind, trial, limit)]
            for _, trial, limit in columns
        ]
        yield "| " + " | ".join([kind, *(_text(r[0]) if r else "" for r in there)]) + " |"
    yield ""
    for trial in sorted({c.trial for c in results}, reverse=True):
        of = [r for c, r in results.items() if c.trial == trial]
        worst = max(r.worst_s for r in of)
        late, failed = sum(r.late for r in of), sum(len(r.failed) for r in of)
        yield from (
            f"failed: {trial}: {c.kind}, {text}" for c, r in results.items() if c.trial == trial for text in r.failed
        )
        yield f"{trial}: {sum(r.runs for r in of)} runs, {late} late, {failed} failed, worst {worst:.2f} s"


def _text(result: Result) -> str:
    faults = [f"**{n} {word}**" for n, word in ((result.late, "late"), (len(result.failed), "failed")) if n]
    plans = [f"{result.plans} with a plan"] if result.plans else []
    return ", ".join([f"{result.worst_s:.2f} ({result.runs} runs)", *plans, *faults])


def _kept(path: Path | None) -> dict[Cell, Result]:
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {Cell(*cell): Result(*result) for cell, result in lines}


def _cells(asked: argparse.Namespace) -> Iterable[Cell]:
    for limit in asked.limits:
        yield from (Cell("limits", kind, limit, asked.fleets, asked.size_times) for kind in asked.kinds)
    if asked.interrupts:
        within = INTERRUPTED_WITHIN_S
        yield from (Cell("interrupts", kind, within, asked.interrupts, asked.size_times) for kind in asked.kinds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress.table")
    parser.add_argument("--fleets", type=int, default=7, help="fleets of each kind and limit")
    parser.add_argument("--limits", type=float, nargs="*", default=[1.0, 2.0, 5.0, 10.0], help="seconds")
    parser.add_argument("--interrupts", type=int, default=7, help="interrupted fleets of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--size-times", type=int, default=1, help="how many times their usual size the fleets have")
    parser.add_argument("--keep", type=Path, help="file of what was measured before, and is now")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets it aside for what runs in the background
    results = _kept(asked.keep)
    for cell in _cells(asked):
        if cell in results:
            continue
        results[cell] = measured(cell)
        if asked.keep:
            with asked.keep.open("a") as file:
                file.write(json.dumps([cell, results[cell]]) + "\n")
    print("\n".join(table(results)))
    return int(any(r.late or r.failed for r in results.values()))


if __name__ == "__main__":
    sys.exit(main())
