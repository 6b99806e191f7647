"""Each test belongs to the area that it is about, and the table adds up."""

from __future__ import annotations

import pytest

from tests.documents import ROOT
from tests.time_by_area import AREAS, area_of, table


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/execute/simulation/test_simulation.py::test_a[1]", "executor"),
        ("tests/test_documents.py::test_commands_print_what_the_page_says[docs/drivers/agents.md]", "executor"),
        ("tests/service/test_page.py::test_a", "signals and the periodic run"),
        (
            "tests/test_documents.py::test_commands_print_what_the_page_says[docs/run.md]",
            "signals and the periodic run",
        ),
        ("tests/whatif/test_fit.py::test_a[chunk1]", "capacity, balance and reports"),
        ("tests/oracle/test_oracle.py::test_a", "planning"),
        ("tests/test_documents.py::test_commands_print_what_the_page_says[docs/rules/spread.md]", "planning"),
    ],
)
def test_a_test_belongs_to_what_it_is_about(test: str, name: str) -> None:
    assert area_of(test).name == name


def test_each_pattern_names_something_that_exists() -> None:
    for area in AREAS:
        for pattern in area.tests:
            place = pattern.removeprefix("tests/test_documents.py*").removesuffix("*")
            assert list(ROOT.glob(f"{place.rstrip('/')}*")) or "*" in place or not place, pattern


def test_the_table_adds_up_and_says_what_is_over() -> None:
    times = [
        ("tests/lab/test_a.py::a", 600.0, 60.0),
        ("tests/lab/test_a.py::a", 60.0, 0.0),
        ("tests/x.py::b", 60.0, 30.0),
    ]
    assert [line.split() for line in table(times, 1)] == [
        ["area", "tests", "min", "of", "at", "most", "CPU", "min"],
        ["executor", "1", "11.0", "9", "1.0", "over"],
        ["signals", "and", "the", "periodic", "run", "0", "0.0", "6", "0.0"],
        ["capacity,", "balance", "and", "reports", "0", "0.0", "5", "0.0"],
        ["planning", "1", "1.0", "10", "0.5"],
        ["all", "2", "12.0", "30", "1.5"],
    ]
    assert "over" not in "".join(table(times, 2))
