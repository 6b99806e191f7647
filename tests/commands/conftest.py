"""What the commands are tried on: files of a small fleet, of its plan, and of a ledger."""

from __future__ import annotations

import pytest

from tests.command_line import run, write
from tests.commands.small import document


@pytest.fixture
def fleet(tmp_path):
    return write(tmp_path / "fleet.json", document())


@pytest.fixture
def planned(fleet, tmp_path):
    path = tmp_path / "plan.json"
    assert run("plan", fleet, "-o", path).code == 0
    return path


@pytest.fixture
def ledger(tmp_path):
    return ["--ledger", tmp_path / "ledger.sqlite"]
