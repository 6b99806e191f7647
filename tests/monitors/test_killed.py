"""Monitors go on where they were after SIGKILL: a real process, killed at random instants, repeats nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger
from tests.documents import ROOT
from tests.monitors.fleets import signalled
from tests.monitors.looker import look

if TYPE_CHECKING:
    from pathlib import Path

LOOKS, KILLS = 40, 4


def left(place: str) -> tuple[object, object]:
    """Return what a ledger has: every imbalance as it is, and every change in order."""
    with open_ledger(place) as ledger:
        assert ledger.audit().faults == ()
        events = [(e.at, e.state, e.detail) for e in ledger.events("tiny")]
        return ledger.imbalances("tiny", every=True), events


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_process_that_is_killed_again_and_again_ends_as_one_that_was_not(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    documents = [signalled(random, 5 * n, hosts=4, vms=8) for n in range(LOOKS)]
    (tmp_path / "snapshots.json").write_text(json.dumps(documents))
    look(str(tmp_path / "whole"), documents, tmp_path / "whole-done")
    words = [str(tmp_path / name) for name in ("killed", "snapshots.json", "done")]
    command = [sys.executable, "-m", "tests.monitors.looker", *words]
    kills = 0
    while True:
        process = subprocess.Popen(command, cwd=ROOT)
        if kills < KILLS:
            _wait_for(tmp_path / "done", (kills + 1) * (LOOKS // (KILLS + 2)), process)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(random.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
            kills += 1
        else:
            assert process.wait(120) == 0
            break
    assert kills == KILLS
    assert left(str(tmp_path / "killed")) == left(str(tmp_path / "whole"))


def _wait_for(done: Path, least: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a number of looks is done: the process is in the middle of its work then."""
    while not done.exists() or int(done.read_text()) < least:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.005)
