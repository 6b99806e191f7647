"""What all tests share: how hypothesis searches, where the data outside the project is, and which tier is run.

Tiers: ``quick`` leaves out what is marked ``slow`` and runs no share of what is marked ``rotating``; ``ci`` (the
default) runs one share of `SHARES` of the rotating ones, another one each day; ``all`` runs everything. A test marked
``rotating`` is one of many like it (a chunk of the oracle, a seed of a fuzzer), which its parameter tells apart.
"""

from __future__ import annotations

import gc
import os
import signal
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.pages import Browser

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.time_by_area"]

os.environ["COLUMNS"] = "1000"  # pages as wide as they come; tests of the layout say how wide

# the same examples on every machine and every run, however slow it is
settings.register_profile(
    "remora",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("remora")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of fleets and ROADEF instances: REMORA_DATA, or ../shared/data beside the project.

    Tests that want it are skipped where it is missing, but not silently in CI: where ``../shared`` is there, it is
    read, or the test fails.
    """
    path = Path(os.environ.get("REMORA_DATA") or ROOT.parent / "shared" / "data")
    if path.is_dir():
        return path
    if os.environ.get("CI") == "true" and (ROOT.parent / "shared").exists():
        pytest.fail(f"CI has ../shared, and yet {path} is not there: set REMORA_DATA to where the data is")
    pytest.skip(f"no data at {path}: set REMORA_DATA to read it from elsewhere")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser, one for each module that wants it."""
    from tests.service.pages import browsing

    with browsing() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The same, with every page closed and everything that was heard forgotten."""
    chromium.clear()
    return chromium


SHARES = 32
"""Of how many shares a run in CI takes one; of a test marked ``rotating(shares=N)``, of N."""

SECONDS_PER_DAY = 86_400


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the tiers."""
    parser.addoption("--tier", choices=("quick", "ci", "all"), default="ci", help="which tests to run")
    parser.addoption("--share", type=int, default=None, help="which of the rotating shares to run: a day")


def share_of(config: pytest.Config) -> int:
    """Return the share that this run takes, of however many: as asked for, or the day's."""
    asked = config.getoption("--share")
    return int(time.time()) // SECONDS_PER_DAY if asked is None else int(asked)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the share once, for all processes that run tests: midnight may come between their starts. Hear SIGINT."""
    config.option.share = share_of(config)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in the background has it; tests interrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Set aside what importing and collecting left: half a million objects that each full collection would look at."""
    gc.collect()
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> str:
    """Say which tier this is, so that a failure can be run again."""
    return f"tier: --tier {config.getoption('--tier')} --share {share_of(config)}"


WAITING = (
    "tests/lab/",
    "tests/service/test_processes.py",
    "tests/execute/command/",
    "tests/execute/test_driver_contract.py",
)
"""Tests that wait for other processes most of the time."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the tier does not run; what waits comes first, beside all that works, not alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))
    tier = config.getoption("--tier")
    if tier == "all":
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (kept if _is_in(item, tier, share_of(config)) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def _is_in(item: pytest.Item, tier: str, share: int) -> bool:
    """Whether a tier runs a test; chunks take turns, and other shares are told by the name."""
    if tier == "quick":
        return not (item.get_closest_marker("slow") or item.get_closest_marker("rotating"))
    rotating = item.get_closest_marker("rotating")
    if rotating is None:
        return True
    spec = getattr(item, "callspec", None)
    chunk = spec.params.get("chunk") if spec is not None else None
    name = item.nodeid if chunk is None else item.nodeid.split("[")[0]
    shares = rotating.kwargs.get("shares", SHARES)
    return bool((zlib.crc32(name.encode()) + (chunk or 0)) % shares == share % shares)
