"""How long the tests of each area take of a run, beside what each may take: printed at the end of every run.

An area's minutes are those that its tests took, set-up and teardown of fixtures too, divided by the processes that ran
tests at once: its share of the run's wall clock. Beside it stands what this machine's processors worked for it, which
other programs do not lengthen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["AREAS", "Area", "area_of", "table"]


@dataclass(frozen=True, slots=True)
class Area:
    """What tests are about, what their share of a run of the tier ``ci`` may be, in minutes, and their ids."""

    name: str
    minutes: float
    tests: tuple[str, ...]


AREAS = (
    Area(
        "executor",
        9.0,
        (
            *(f"tests/{room}/*" for room in ("execute", "lab")),
            *(
                f"tests/commands/test_{name}.py*"
                for name in ("apply", "executor", "gateway", "guards", "interrupts", "takeover", "undo")
            ),
            "tests/benchmarks/test_executor.py*",
            *(f"tests/test_documents.py*docs/{page}*" for page in ("drivers/", "execute", "executor")),
        ),
    ),
    Area(
        "signals and the periodic run",
        6.0,
        (
            *(f"tests/{room}/*" for room in ("monitors", "prometheus", "service", "signals")),
            *(f"tests/commands/test_{name}.py*" for name in ("interference", "journey", "long_runs")),
            *(f"tests/benchmarks/test_{name}.py*" for name in ("interference", "noisy_week", "signals")),
            *(
                f"tests/test_documents.py*docs/{page}.md*"
                for page in ("interference", "journeys", "metrics", "monitors", "run", "serve", "signals")
            ),
        ),
    ),
    Area(
        "capacity, balance and reports",
        5.0,
        (
            *(f"tests/{room}/*" for room in ("explain", "remora", "report", "whatif")),
            "tests/constraints/test_balance.py*",
            "tests/repair/test_balance_search.py*",
            "tests/scenarios/test_balance*",
            *(f"tests/commands/test_{name}.py*" for name in ("explain_stops", "flavours")),
            *(f"tests/benchmarks/test_{name}.py*" for name in ("balance", "explain", "hspace")),
            *(
                f"tests/test_documents.py*docs/{page}.md*"
                for page in ("balance", "explanations", "python", "report", "rules/balance", "whatif*")
            ),
        ),
    ),
    Area("planning", 10.0, ("*",)),
)
"""The areas; a test belongs to the first that has it."""


def area_of(test: str) -> Area:
    """Return the area of a test by its id."""
    return next(area for area in AREAS if any(fnmatch(test, pattern) for pattern in area.tests))


def table(times: Iterable[tuple[str, float, float]], processes: int) -> list[str]:
    """Return the lines that say how long each area took.

    Parameters
    ----------
    times
        (Id of a test, seconds by the clock, seconds of processors), one or several for each.
    processes
        How many of them ran tests at once.
    """
    tests: dict[str, set[str]] = {area.name: set() for area in AREAS}
    clock = dict.fromkeys(tests, 0.0)
    worked = dict.fromkeys(tests, 0.0)
    for test, seconds, cpu_s in times:
        name = area_of(test).name
        tests[name].add(test)
        clock[name] += seconds / 60 / processes
        worked[name] += cpu_s / 60
    lines = [f"{'area':<30}  {'tests':>5}  {'min':>5}  {'of at most':>10}  {'CPU min':>7}"]
    for area in AREAS:
        over = "  over" if clock[area.name] > area.minutes else ""
        lines.append(
            f"{area.name:<30}  {len(tests[area.name]):>5}  {clock[area.name]:>5.1f}  {area.minutes:>10.0f}"
            f"  {worked[area.name]:>7.1f}{over}"
        )
    total = f"{'all':<30}  {sum(map(len, tests.values())):>5}  {sum(clock.values()):>5.1f}"
    return [*lines, f"{total}  {sum(a.minutes for a in AREAS):>10.0f}  {sum(worked.values()):>7.1f}"]


class _Worked:
    """Processor seconds of this process and of its children that have ended, since the last look."""

    def __init__(self) -> None:
        self.before = sum(os.times()[:4])

    def __call__(self) -> float:
        now = sum(os.times()[:4])
        since, self.before = now - self.before, now
        return since


_worked = _Worked()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what the processors worked: the attribute goes with the report to the process that prints."""
    report = yield
    report.cpu_s = _worked()  # type: ignore[attr-defined]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, where enough was run that it says something."""
    reports = [r for found in terminalreporter.stats.values() for r in found if isinstance(r, pytest.TestReport)]
    times = [(r.nodeid, r.duration, getattr(r, "cpu_s", 0.0)) for r in reports]
    if sum(seconds for _, seconds, _ in times) < 60:
        return
    terminalreporter.section("time by area", sep="-")
    for line in table(times, int(getattr(config.option, "numprocesses", None) or 1)):
        terminalreporter.write_line(line)
