"""The set-up of the two commands, with made-up Pythons: nothing is installed, no network is used."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = """#!/bin/bash
case "$2" in
  *version_info\\ *) exit {old} ;;
  *version_info*) echo 3.11 ;;
  *ensurepip*) [[ -e "$(dirname "$0")/venv-is-there" ]] ;;
esac
"""
APT = """#!/bin/bash
echo "apt-get $*"
[[ $1 == update ]] || touch "$(dirname "$0")/venv-is-there"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what every machine has, and no Python."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in ("bash", "dirname", "id", "env", "touch", "sha256sum"):
        found = shutil.which(name)
        assert found is not None
        (path / name).symlink_to(found)
    return path


def put(path: Path, name: str, text: str) -> None:
    (path / name).write_text(text)
    (path / name).chmod(0o755)


def bash(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(path / "bash"), "-c", f'source "{ROOT}/tools/setup.sh"; {code}'],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_first_python_that_is_new_enough_is_taken(tools: Path) -> None:
    put(tools, "python3.11", PYTHON.format(old=1))
    put(tools, "python3.12", PYTHON.format(old=0))
    put(tools, "python3", PYTHON.format(old=0))
    assert bash(tools, "find_python").stdout.strip() == str(tools / "python3.12")


def test_without_python_it_fails_and_says_so(tools: Path) -> None:
    put(tools, "python3", PYTHON.format(old=1))
    done = bash(tools, "base=$(find_python); echo went on")
    assert done.returncode != 0
    assert "went on" not in done.stdout
    assert "no Python 3.11 or later" in done.stderr


def test_a_python_without_venv_gets_it_from_apt(tools: Path) -> None:
    put(tools, "python3.11", PYTHON.format(old=0))
    put(tools, "apt-get", APT)
    put(tools, "sudo", '#!/bin/bash\nexec "$@"\n')
    done = bash(tools, "need_venv python3.11; echo went on")
    assert done.stdout.split("\n")[:3] == [
        "apt-get update",
        "apt-get install -y --no-install-recommends python3.11-venv",
        "went on",
    ]


def test_a_python_without_venv_and_without_apt_fails(tools: Path) -> None:
    put(tools, "python3.11", PYTHON.format(old=0))
    done = bash(tools, "need_venv python3.11; echo went on")
    assert done.returncode != 0
    assert "went on" not in done.stdout


@pytest.mark.parametrize("kind", ["runtime", "dev"])
def test_the_stamp_names_what_was_installed(tools: Path, kind: str) -> None:
    stamp = bash(tools, f"stamp_of {kind}").stdout
    assert stamp.startswith(f"{kind} {ROOT}\n")
    assert ("requirements-dev.txt" in stamp) == (kind == "dev")


@pytest.mark.parametrize("ends", ["true", "false"])
def test_set_up_compiles_what_plans_use_and_goes_on_where_that_fails(tools: Path, ends: str) -> None:
    done = bash(tools, f'python=ran; ran() {{ echo "ran $*" >&2; {ends}; }}; compile_searches; echo went on')
    assert done.stdout == "went on\n"
    assert f"ran {ROOT}/cli.py compile" in done.stderr
    assert ("plans do without" in done.stderr) == (ends == "false")
    made = (ROOT / "tools" / "setup.sh").read_text("utf-8").split("make_environment() {")[1].split("\n}")[0]
    assert "compile_searches" in made


def test_every_script_is_sound_bash() -> None:
    for script in [*(ROOT / "tools").glob("*.sh"), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert "set -euo pipefail" in script.read_text()
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", "-x", str(script)], cwd=ROOT, check=True)


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().strip().split("\n")
    assert lines == ["#!/usr/bin/env bash", "set -euo pipefail", 'exec "$(dirname "$0")/../tools/test.sh"']


def test_the_pages_are_built_strictly() -> None:
    command = next(line for line in (ROOT / "tools" / "test.sh").read_text().split("\n") if "mkdocs build" in line)
    assert "--strict" in command
    assert "--quiet" not in command, "mkdocs counts the warnings that it prints: --quiet makes --strict pass anything"


def test_everything_that_is_installed_is_locked_by_hash() -> None:
    """But for the project itself; and no lock names where a package comes from."""
    lines = [line.strip() for line in (ROOT / "tools" / "setup.sh").read_text("utf-8").splitlines()]
    installs = [line for line in lines if line.startswith("install ")]
    assert len(installs) >= 3
    assert all("--require-hashes" in line or "--editable" in line for line in installs), installs
    locks = sorted(ROOT.glob("requirements*.txt"))
    assert len(locks) >= 3
    for lock in locks:
        text = lock.read_text("utf-8")
        packages = [part for part in text.replace("\\\n", "").splitlines() if part and not part.startswith("#")]
        assert packages and all("--hash=sha256:" in part for part in packages), lock
        assert "://" not in text, lock


SET_UP = """
python=true venv=none checkout=$PWD
say() { :; }
find_python() { :; }
need_venv() { :; }
set_up() { trap '' TERM; sleep 60 & echo begun >begun; wait; }
have() { until [[ -s begun ]]; do :; done; exit 3; }
"""


def test_what_ends_in_the_set_up_leaves_nothing_running_and_no_file(tmp_path: Path) -> None:
    """The environment is made in the background, by processes of its own: they end with the one that began them.

    TERM is ignored there, as it is lost on a child between fork and exec.
    """
    (tmp_path / "tools").mkdir()
    (tmp_path / "temporary").mkdir()
    shutil.copy(ROOT / "tools" / "test.sh", tmp_path / "tools")
    put(tmp_path / "tools", "setup.sh", SET_UP)
    done = subprocess.run(
        [tmp_path / "tools" / "test.sh"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        timeout=30,  # what is left behind keeps its output open
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert os.listdir(tmp_path / "temporary") == []


def test_what_has_ended_is_not_killed_in_the_end(tmp_path: Path) -> None:
    """Its number may be another process's by then."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "test.sh", tmp_path / "tools")
    gone = SET_UP.replace("sleep 60", "true").replace("exit 3", "[[ $1 != lab ]] || { set -x; exit 3; }")
    put(tmp_path / "tools", "setup.sh", gone)
    done = subprocess.run([tmp_path / "tools" / "test.sh"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert "+ leave" in done.stderr and "kill" not in done.stderr
