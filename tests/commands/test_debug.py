"""The debug log: one line an event on standard error, and nothing of it where nobody asked."""

from __future__ import annotations

import json
import logging
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from optimizer.debug_log import Event
from tests.build import document, host, vm
from tests.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

LINE = re.compile(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z logger=remora\.\w+ event=(\w+)( \w+=\S+)*")


def written(tmp_path: Path) -> Path:
    hosts = [host(f"h{i}", cpu=64_000, memory=65_536, disk=10**6) for i in range(3)]
    vms = [vm(f"v{i}", "h0", cpu=1000, memory=20_000, disk=1000) for i in range(4)]
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(document(hosts, vms)))
    return path


def test_each_step_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMORA_LOG", raising=False)
    path = written(tmp_path)
    quiet = run("plan", path)
    assert "event=" not in quiet.err
    loud = run("--debug", "plan", path)
    lines = [line for line in loud.err.splitlines() if "event=" in line]
    assert all(LINE.fullmatch(line) for line in lines), lines
    events = [found.group(1) for line in lines if (found := LINE.fullmatch(line))]
    assert {"stage", "problem", "answer"} <= set(events)
    assert loud.code == quiet.code
    assert "event=" not in loud.out
    assert not logging.getLogger("remora").handlers


def test_the_environment_switches_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMORA_LOG", "1")
    assert "event=answer" in run("plan", written(tmp_path)).err


@pytest.mark.parametrize("value", ["plain", "two words", 'a "quote"', "a=b", "", "new\nline", 0.12345, 7])
def test_values_can_be_read_back(value: object) -> None:
    line = str(Event("e", value=value, last=1))
    assert "\n" not in line
    words = shlex.split(line)
    expected = f"{value:.3f}" if isinstance(value, float) else str(value)
    assert words == ["event=e", "value=" + expected.replace("\n", "\\n"), "last=1"]
