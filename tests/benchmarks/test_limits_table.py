"""The table of limits and interrupts: what was measured before is kept, and what was late or failed shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stress import table as trial
from benchmarks.stress.table import Cell, Result

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_late_and_failed_runs_are_named_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Cell] = []

    def measured(cell: Cell) -> Result:
        asked.append(cell)
        if cell.trial == "interrupts":
            return Result(2, 0, ["seed 1: exit -11: "], 0.5, 1)
        return Result(3, int(cell.limit_s == 1), [], 0.25 if cell.limit_s == 1 else -0.75, 0)

    monkeypatch.setattr(trial, "measured", measured)
    words = ["--limits", "1", "2", "--fleets", "3", "--interrupts", "2", "--kinds", "chains", "pairs"]
    words += ["--keep", str(tmp_path / "kept")]
    assert trial.main(words) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        "| kind | 1 s | 2 s | interrupted |",
        "|---|--:|--:|--:|",
        "| chains | 0.25 (3 runs), **1 late** | -0.75 (3 runs) | 0.50 (2 runs), 1 with a plan, **1 failed** |",
        "| pairs | 0.25 (3 runs), **1 late** | -0.75 (3 runs) | 0.50 (2 runs), 1 with a plan, **1 failed** |",
        "",
        "limits: 12 runs, 2 late, 0 failed, worst 0.25 s",
        "failed: interrupts: chains, seed 1: exit -11: ",
        "failed: interrupts: pairs, seed 1: exit -11: ",
        "interrupts: 4 runs, 0 late, 2 failed, worst 0.50 s",
    ]
    assert trial.main(words) == 1
    assert capsys.readouterr().out == printed
    assert len(asked) == 6  # none was measured again
