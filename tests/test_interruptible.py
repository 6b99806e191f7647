"""CP-SAT takes SIGINT over unless it is told not to, and leaves behind a process that the next one kills."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOLVING = sorted(p for p in (ROOT / "optimizer").rglob("*.py") if "CpSolver()" in p.read_text("utf-8"))


@pytest.mark.parametrize("path", SOLVING, ids=lambda p: p.stem)
def test_no_solver_takes_sigint_over(path: Path) -> None:
    made = told = 0
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        made += isinstance(node, ast.Call) and ast.unparse(node.func).endswith("CpSolver")
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".catch_sigint_signal"):
            told += ast.unparse(node.value) == "False"
    assert made == told > 0
