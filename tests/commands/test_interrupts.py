"""Ctrl-C while a command works."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import time
import weakref
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


def test_after_an_interrupt_what_is_new_is_looked_through_for_garbage_and_what_was_there_is_not():
    """A gateway may wait for hours for what is on its way, and goes on to answer; a plan's end looks at no fleet."""
    from commands.interrupt import Interrupt

    class Node:
        def __init__(self):
            self.me = self

    gc.collect()
    old = weakref.ref(Node())
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        new = weakref.ref(Node())
        kept = [[i] for i in range(2 * gc.get_threshold()[0])]
        assert len(kept) and new() is None
        assert old() is not None
    gc.unfreeze()


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


AT_ONCE = """
import gc, os, signal, sys, time
import cli
from optimizer.sources import fleet_json

class Dying:
    def __del__(self, kill=os.kill, me=os.getpid()):
        kill(me, signal.SIGTERM)

def dying(phase, info):
    gc.callbacks.remove(dying)
    os.kill(os.getpid(), signal.SIGTERM)

def collected():
    gc.callbacks.append(dying)
    gc.collect()
"""


@pytest.mark.parametrize("lose", ["Dying()", "collected()"])
def test_a_signal_that_is_lost_while_a_fleet_is_read_is_heard_a_moment_later(lose):
    code = f"""{AT_ONCE}
def read(*_):
    {lose}
    time.sleep(2)
    print("not heard", flush=True)
    os._exit(0)

fleet_json.read_fleet_document = read
sys.argv = ["remora", "plan", "docs/examples/four.json"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.lstrip()) == (130, "", "remora: interrupted\n")


def test_one_that_is_lost_when_all_is_done_changes_nothing():
    """Python is being taken down when it would be heard again: an alarm would kill the process."""
    code = f"""{AT_ONCE}
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(0.2)

slow = Slow()
sys.argv = ["remora", "rules"]
try:
    cli.main()
finally:
    Dying()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


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


TURNED = """
import signal, sys
signal.signal(signal.SIG{name}, signal.SIG_DFL)  # whoever runs the tests may have set it aside, as nohup does
sys.argv = ["remora", "turned"]
import cli
@cli.remora.command("turned")
def turned():
    try:
        signal.raise_signal(signal.SIG{name})
    except KeyboardInterrupt:
        raise ValueError("a schema cannot be built")
cli.main()
"""


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_an_error_that_a_library_makes_of_an_interrupt_is_no_fault_of_ours(name):
    code = TURNED.format(name=name)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "remora: interrupted\n")
