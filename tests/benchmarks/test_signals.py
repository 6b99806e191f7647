from __future__ import annotations

import subprocess
import sys

import pytest

from tests.documents import ROOT

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")


@pytest.mark.slow
def test_the_benchmark_of_signals_runs_and_is_within_its_goal() -> None:
    command = [sys.executable, "-m", "benchmarks.signals", "--hosts", "20", "--vms", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "remora signals read" in done.stdout and "ratio:" in done.stdout
