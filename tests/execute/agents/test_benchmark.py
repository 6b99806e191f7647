"""The benchmark of many agents, with few."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.slow
def test_few_agents(new_schema: Callable[[], str]) -> None:
    words = ["--agents", "60", "--slow", "10", "--rate", "50", "--burst", "30", "--idle", "0.2"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.gateway", "--ledger", new_schema(), *words], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "| orders given, received, received twice | 40, 40, 0 |" in ran.stdout
