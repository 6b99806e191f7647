from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.fleet import Carrying, Mobility, VmState
from optimizer.report.export import CSV_COLUMNS, Template, plan_csv, plan_shell
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.plan import Plan

LIVE = Carrying(VmState.RUNNING, Mobility.LIVE, copied=True)


def live(_: str) -> Carrying:
    return LIVE


NEVER = datetime(9999, 1, 1, tzinfo=UTC)

FAKE = """#!/bin/bash
exec 9>>"$LOG"
flock 9
printf '%s\\n' "$1|$2|$3" >&9
[[ $1 != "$BROKEN" ]]
"""
"""Moves of a batch run side by side, and bash writes line by line: the lock keeps a name of several lines together."""


def chain() -> Plan:
    fleet = line_fleet()
    return plan_of(
        fleet,
        move(fleet, 1, "v0", "h0", "h8"),
        move(fleet, 2, "v1", "h1", "h9"),
        move(fleet, 3, "v2", "h2", "h0", after=(1,), batch=2),
        move(fleet, 4, "v3", "h3", "h2", after=(3,), batch=3),
        expires_at=NEVER,
    )


def run(plan: Plan, tmp_path: Path, answers: str = "", **env: str) -> tuple[int, list[str], str]:
    """Run a plan's script with a migration command that only writes down how it was called."""
    fake, log, script = tmp_path / "migrate it", tmp_path / "log", tmp_path / "plan.sh"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    log.touch()
    script.write_text(plan_shell(plan, live))
    done = subprocess.run(
        ["bash", str(script)],
        env={"PATH": os.environ["PATH"], "MIGRATE": str(fake), "LOG": str(log), "BROKEN": ""} | env,
        input=answers,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, log.read_text().split("\n")[:-1], done.stderr


def test_script_moves_everything_in_order(tmp_path: Path) -> None:
    code, calls, said = run(chain(), tmp_path, YES="1")
    assert code == 0
    assert sorted(calls[:2]) == ["v0|h0|h8", "v1|h1|h9"]
    assert calls[2:] == ["v2|h2|h0", "v3|h3|h2"]
    assert "4 of 4 moves done" in said


@pytest.mark.parametrize(("broken", "left"), [("v0", ["v1|h1|h9"]), ("v1", ["v0|h0|h8"])])
def test_script_begins_no_batch_after_a_failure(tmp_path: Path, broken: str, left: list[str]) -> None:
    code, calls, said = run(chain(), tmp_path, YES="1", BROKEN=broken)
    assert code == 1
    assert sorted(c for c in calls if not c.startswith(broken)) == left
    assert "stopped before batch 2" in said
    assert "1 of 4 moves done" in said


@pytest.mark.parametrize(("broken", "left"), [("v0", ["v1|h1|h9"]), ("v1", ["v0|h0|h8", "v2|h2|h0", "v3|h3|h2"])])
def test_script_starts_nothing_that_depends_on_a_failure(tmp_path: Path, broken: str, left: list[str]) -> None:
    code, calls, said = run(chain(), tmp_path, YES="1", KEEP_GOING="1", BROKEN=broken)
    assert code == 1
    assert sorted(c for c in calls if not c.startswith(broken)) == sorted(left)
    assert f"({broken}: " in said
    assert "failed" in said


@pytest.mark.parametrize(("answers", "calls"), [("", 0), ("n\n", 0), ("y\nno\n", 2), ("y\ny\ny\n", 4)])
def test_script_asks_before_each_batch(tmp_path: Path, answers: str, calls: int) -> None:
    code, made, _ = run(chain(), tmp_path, answers)
    assert len(made) == calls
    assert code == (0 if calls == 4 else 1)


def test_script_refuses_an_expired_plan(tmp_path: Path) -> None:
    expired = replace(chain(), expires_at=datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=365))
    code, calls, said = run(expired, tmp_path, YES="1")
    assert (code, calls) == (4, [])
    assert "expired" in said
    assert run(expired, tmp_path, YES="1", EXPIRED_OK="1")[0] == 0


HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "a'; touch pwned; '",
    'x"; touch pwned #',
    "-rf",
    "two\nlines\ntouch pwned",
    "} ; touch pwned ; {",
    "<b>&amp;</b>",
    "\x1b[31mred",
    "ünï✓",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_script_takes_a_hostile_name_as_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = chain()
    first = replace(plan.moves[0], id=name, vm=name, target=name, why=name)
    third = replace(plan.moves[2], after=(name,))
    monkeypatch.chdir(tmp_path)
    hostile = replace(plan, id=name, fleet=name, moves=(first, plan.moves[1], third, plan.moves[3]))
    code, calls, said = run(hostile, tmp_path, YES="1")
    assert code == 0
    assert f"{name}|h0|{name}" in "\n".join(calls)
    assert not (tmp_path / "pwned").exists()
    assert "\x1b" not in said
    assert "\x1b" not in "\n".join(line for line in plan_shell(hostile, live).split("\n") if line.startswith("#"))


def test_script_refuses_a_name_that_no_command_line_can_hold() -> None:
    plan = chain()
    with pytest.raises(InputError, match=r"moves\[0\]\.vm"):
        plan_shell(replace(plan, moves=(replace(plan.moves[0], vm="a\0b"),)), live)


def test_script_of_a_plan_without_moves(tmp_path: Path) -> None:
    code, calls, said = run(replace(chain(), moves=(), batches=()), tmp_path)
    assert (code, calls) == (0, [])
    assert "0 of 0" in said


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed: script not checked")
@pytest.mark.parametrize("template", Template)
def test_script_satisfies_shellcheck(template: Template) -> None:
    subprocess.run(["shellcheck", "-"], input=plan_shell(chain(), live, template), text=True, check=True)


def test_csv_has_a_row_for_each_move_and_keeps_names() -> None:
    plan = chain()
    named = replace(plan, moves=(replace(plan.moves[0], vm='a,"b"\nc'), *plan.moves[1:]))
    rows = list(csv.DictReader(io.StringIO(plan_csv(named, live))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [r["id"] for r in rows] == ["m0001", "m0002", "m0003", "m0004"]
    assert rows[0]["vm"] == 'a,"b"\nc'
    assert (rows[2]["after"], rows[2]["from"], rows[2]["to"], rows[2]["batch"]) == ("m0001", "h2", "h0", "2")
