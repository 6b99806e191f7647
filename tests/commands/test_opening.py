"""The time before a search begins: it binds on a large fleet, and never on a small one."""

from __future__ import annotations

import signal
import time
from math import inf
from typing import TYPE_CHECKING

import pytest

from commands.interrupt import Interrupt
from commands.opening import Opening, allowed_s
from commands.plan import rows_in_time
from optimizer.clock import SystemClock
from optimizer.errors import NotInTime

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = SystemClock()


class Dying:
    """Ends with a signal that nothing can be raised for."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def file_of(tmp_path: Path, mib: float, name: str = "fleet.json") -> Path:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(int(mib * 2**20))
    return path


def opening(path: Path, limit_s: float, age_s: float, *, counted: bool = False) -> Opening:
    """Return the opening of a process of that age."""
    return Opening(path, limit_s, CLOCK.monotonic() - age_s, CLOCK, counted=counted)


def test_what_a_process_may_take() -> None:
    assert [allowed_s(limit) for limit in (1.0, 10.0, 100.0)] == [2.0, 11.0, 105.0]


@pytest.mark.parametrize(("mib", "name", "large"), [(0.9, "a.json", False), (1.1, "a.json", True), (0.2, "a.xz", True)])
def test_a_fleet_is_large_by_its_file(tmp_path: Path, mib: float, name: str, large: bool) -> None:
    assert opening(file_of(tmp_path, mib, name), 1.0, 0.0).large is large
    assert not opening(tmp_path / "none.json", 1.0, 0.0).large


def test_a_small_fleet_is_planned_however_late_it_is(tmp_path: Path) -> None:
    with opening(file_of(tmp_path, 0.5), 1.0, 60.0) as begun:
        begun.judged(1000, 1.0)
    with opening(file_of(tmp_path, 5.0), 1.0, 60.0, counted=True) as begun:  # nor a large one, where work counts
        begun.judged(1000, 1.0)


def test_a_large_fleet_that_was_not_read_in_time_says_so_and_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(
        NotInTime, match=r"no plan in time: after 6\.0 s of --time-limit 1 .* limit of 16 or more"
    ) as found:
        opening(file_of(tmp_path, 40.0), 1.0, 6.0).__enter__()
    assert found.value.exit_code == 3


def test_it_rings_in_the_middle_and_only_until_the_search_begins(tmp_path: Path) -> None:
    before, path = signal.getsignal(signal.SIGALRM), file_of(tmp_path, 2.0)
    with pytest.raises(NotInTime), opening(path, 1.0, 1.7):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) is before
    with opening(path, 1.0, 1.6) as begun:
        begun.judged(1, 0.0)
        time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_signal_that_was_lost_is_heard_when_the_search_has_begun_all_the_same(tmp_path: Path) -> None:
    before, path = signal.getsignal(signal.SIGALRM), file_of(tmp_path, 2.0)
    with opening(path, 60.0, 0.0) as begun:
        with Interrupt(at_once=True), pytest.raises(KeyboardInterrupt):
            dying = Dying()
            del dying
            begun.judged(1, 0.0)
            time.sleep(5)
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_no_search_begins_where_there_is_no_time_to_say_what_is_left(tmp_path: Path) -> None:
    path = file_of(tmp_path, 2.0)
    with pytest.raises(NotInTime), opening(path, 2.0, 1.5) as begun:
        begun.judged(100_000, 0.1)
    with pytest.raises(NotInTime, match="limit of 4 or more"), opening(path, 2.0, 1.5) as begun:
        begun.judged(1_000, 0.7)  # the search would have to look through as much again
    with pytest.raises(NotInTime, match="limit of 8 or more"), opening(path, 5.0, 2.9) as begun:
        begun.judged(104_816, 0.9)
    with opening(path, 2.0, 1.5) as begun:
        begun.judged(1_000, 0.1)
        begun.judged(1_000_000, 0.1)  # another plan of the same run


@pytest.mark.parametrize(
    ("rows", "left_s", "most"),
    [(50_000, 0.1, 1_000), (50_000, 10.0, None), (2_000, 0.0, 1_000), (2_000, -1.0, 1_000), (10**6, inf, None)],
)
def test_of_a_table_that_cannot_be_printed_within_the_limit_only_the_first_rows_are(
    rows: int, left_s: float, most: int | None
) -> None:
    assert rows_in_time(rows, left_s) == most
