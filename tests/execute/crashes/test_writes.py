"""Power cuts: what SQLite asked of the file system, cut off at every instant, with what was not synced lost or torn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.execute.simulation.simulate import without_admission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("apsw")

from tests.execute.crashes.writes import cuts, lost_by, recorded

CHUNKS = 16


@pytest.fixture(autouse=True)
def _let_in() -> Iterator[None]:
    with without_admission():
        yield


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_acknowledged_is_lost(tmp_path: Path, chunk: int) -> None:
    run = recorded(1 + chunk)
    chosen = range(chunk, len(run.operations), CHUNKS)
    tried = 0
    for what, acknowledged, files in cuts(run, chosen, chunk):
        assert lost_by(run, acknowledged, files, tmp_path) == "", what
        tried += 1
    assert tried == 4 * len(chosen) > 100


def test_a_commit_syncs_journal_file_and_directory() -> None:
    """What EXTRA asks for: the journal before the file, the file before the journal goes, and then the directory."""
    run = recorded(1)
    order = [(o.what, o.name.removeprefix("ledger.sqlite"), o.certain) for o in run.operations if o.what != "write"]
    commit = [
        ("create", "-journal", False),
        ("sync", "-journal", False),
        ("sync", "-journal", False),
        ("sync", "", False),
        ("delete", "-journal", True),
    ]
    assert order == commit * (len(order) // len(commit))
    assert len(order) > 100


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL", "OFF"])
def test_less_than_extra_would_be_found(tmp_path: Path, synchronous: str) -> None:
    run = recorded(1, synchronous)
    found = Counter(
        bool(lost_by(run, acknowledged, files, tmp_path))
        for _, acknowledged, files in cuts(run, range(0, len(run.operations), 10))
    )
    assert found[True] > found[False] / 20
