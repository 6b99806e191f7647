"""No search ends by a count: the table of easy repairs, on fleets of a few."""

from __future__ import annotations

import pytest

from benchmarks.stress.counts import EASY, main


@pytest.mark.slow
def test_each_easy_repair_is_made_with_the_fewest_moves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kinds", *EASY, "--sizes", "10"]) == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == [*EASY]
    for row in rows:
        assert (row[2], row[3], row[7]) == ("0", row[4], "verified")
