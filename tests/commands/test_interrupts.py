"""Ctrl-C while a command works."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_plan_so_far(data_dir, tmp_path):
    """The signal comes when the search has begun (it says so on a terminal; here: when its fleet has been read)."""
    out = tmp_path / "plan.json"
    code = f"""
import os, signal, sys, threading
import cli
from optimizer import pipeline
make = pipeline.make_plan

def interrupted(*args, **extra):
    os.kill(os.getpid(), signal.SIGINT)
    return make(*args, **extra)

pipeline.make_plan = interrupted
sys.argv = ["remora", "plan", {str(data_dir / "fleets" / "fleet-100.json.xz")!r}, "-o", {str(out)!r}]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(out.read_text())["format"] == "remora-plan/1"


def test_a_second_ctrl_c_ends_at_once():
    from commands.interrupt import Interrupt

    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_before_a_search_has_begun_the_first_ctrl_c_ends_it():
    from commands.interrupt import Interrupt

    with Interrupt(at_once=True) as interrupt:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupt.asked  # were it lost in a library, the search would still end
    with Interrupt(at_once=True) as interrupt:
        interrupt.at_once = False
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
    gc.enable()


def test_a_second_ctrl_c_in_a_destructor_ends_at_once_all_the_same(capsys):
    from commands.interrupt import Interrupt

    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    hook = sys.unraisablehook
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):  # nothing can be raised out of a destructor: it is asked once more
            Dying()
            time.sleep(10)
    assert sys.unraisablehook is hook
    assert "Traceback" not in capsys.readouterr().err


EARLY = [
    "threading",
    "commands",
    "commands.signals",
    "signal",
    "enum",
    "click",
    "commands.group",
    "commands.plan",
    "numpy",
]


@pytest.mark.parametrize("loading", EARLY)
def test_ctrl_c_while_a_library_loads_is_one_line(loading):
    """The signal comes at the very moment at which this module is asked for."""
    code = f"""
import os, sys

def hook(event, args):
    if event == "import" and args[0] == {loading!r}:
        os.kill(os.getpid(), 2)

for name in {EARLY!r}:
    sys.modules.pop(name, None)
sys.addaudithook(hook)
sys.argv = ["remora", "plan", "docs/examples/four.json"]
import cli
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "remora: interrupted\n")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_comes_when_all_is_done_changes_nothing(number):
    """It comes while Python takes down its modules: its own handlers are gone by then."""
    code = f"""
import os, signal, sys
import cli

class Late:
    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.{number}):
        kill(me, number)

late = Late()
sys.argv = ["remora", "rules"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "capacity" in done.stdout
