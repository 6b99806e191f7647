"""Programs as gates and hooks: no shell, a deadline for the whole group, no secrets, only the last line."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.guards.command import Command, begin, filled_in
from optimizer.execute.guards.guards import open_guards
from optimizer.execute.guards.pending import Answer, wait_for
from optimizer.execution import Execution, Gate, Gates, Hook, Hooks
from optimizer.policy import Policy
from optimizer.sources.environment import environment_of

CLOCK = SystemClock()
ENVIRONMENT = environment_of(os.environ)


def answer(*command: str, deadline_s: float = 20.0) -> Answer:
    (found,) = wait_for([Command(command, deadline_s, ENVIRONMENT, CLOCK)], CLOCK, lambda: None)
    return found


@pytest.mark.parametrize(
    ("command", "good", "text"),
    [
        (["true"], True, ""),
        (["sh", "-c", "echo one; echo two; echo"], True, "two"),
        (["sh", "-c", "echo no >&2; exit 3"], False, "exit 3: no"),
        (["false"], False, "exit 1"),
        (["sh", "-c", "kill -9 $$"], False, "killed by signal 9"),
        (["sh", "-c", "printf '\\033[31mred'; exit 1"], False, "exit 1: \\x1b[31mred"),
        (["no-such-program-1"], False, "no-such-program-1 cannot be started: No such file or directory"),
        (["/"], False, "/ cannot be started: Permission denied"),
        (["echo", "a b; $HOME `id`"], True, "a b; $HOME `id`"),
        (["sh", "-c", "exec >&- 2>&-; exit 0"], True, ""),
    ],
)
def test_what_a_program_answers(command: list[str], good: bool, text: str) -> None:
    assert answer(*command) == Answer(good, text)


@pytest.mark.slow
def test_a_program_that_writes_without_end_does_not_keep_anybody_from_its_deadline() -> None:
    found = answer("yes", deadline_s=1)
    assert found == Answer(False, "yes gave no answer within 1 s")


@pytest.mark.slow
def test_at_the_deadline_the_whole_group_is_killed(tmp_path) -> None:
    """Also what the program has started and does not wait for, and what ignores a polite signal."""
    there = tmp_path / "pid"
    script = f"trap '' TERM; (trap '' TERM; sleep 60) & echo $! > {there}; wait"
    found = answer("sh", "-c", script, deadline_s=1)
    assert "no answer within 1 s" in found.text
    for _ in range(200):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(there.read_text()), 0)
            time.sleep(0.01)
            continue
        return
    raise AssertionError("its child is still there")


def test_a_child_that_keeps_the_pipe_open_does_not_delay_the_answer() -> None:
    began = time.monotonic()
    assert answer("sh", "-c", "sleep 5 & echo done") == Answer(True, "done")
    assert time.monotonic() - began < 4


@pytest.mark.slow
def test_what_is_waited_for_is_given_up_when_something_comes_first(monkeypatch) -> None:
    one = Command(["sleep", "60"], 50, ENVIRONMENT, CLOCK)

    def meanwhile() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait_for([one], CLOCK, meanwhile)
    assert one._process is not None
    assert one._process.poll() == -9


def test_secrets_of_the_environment_are_not_passed_on() -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "HOME": "/h",
        "TOKEN": "s3cret",
        "AWS_SECRET": "x",
        "ASKED": "y",
    }
    assert environment_of(environ, ["ASKED", "MISSING"]) == {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "HOME": "/h",
        "ASKED": "y",
    }
    script = "import os; print(sorted(set(os.environ) - {'LC_CTYPE', 'PATH', 'LC_ALL', 'HOME'}))"
    command = Command([sys.executable, "-c", script], 20, environment_of(environ), CLOCK)
    assert wait_for([command], CLOCK, lambda: None) == [Answer(True, "[]")]


def test_what_it_wrote_is_said_without_the_variables_that_it_was_given() -> None:
    given = {**ENVIRONMENT, "ASKED": "s3cret", "SHORT": "no"}
    command = Command(["sh", "-c", 'echo "no $ASKED in $HOME"; exit 2'], 20, {**given, "HOME": "/home/ann"}, CLOCK)
    assert wait_for([command], CLOCK, lambda: None) == [Answer(False, "exit 2: no ... in /home/ann")]


@pytest.mark.parametrize("vm", ["a b", "$(id)", "--help", "{target}", "ü", "'"])
def test_a_name_never_becomes_more_than_a_part_of_its_argument(vm: str) -> None:
    values = {"vm": vm, "target": "h2"}
    assert filled_in(["x", "--vm={vm}", "{target}", '{"a": 1}', "{Other}"], values) == [
        "x",
        f"--vm={vm}",
        "h2",
        '{"a": 1}',
        "{Other}",
    ]
    assert answer("printf", "%s", vm).text == vm


@pytest.mark.parametrize("vm", ["-x", "--help", "-"])
def test_a_name_never_becomes_an_option(vm: str) -> None:
    found = begin(["echo", "{vm}"], {"vm": vm}, 5.0, ENVIRONMENT, CLOCK).poll()
    assert found == Answer(
        False, f"{{vm}} would be '{vm}', which is read as an option: write --option={{vm}}, or -- before it"
    )
    assert filled_in(["echo", "--", "{vm}"], {"vm": vm}) == ["echo", "--", vm]
    assert filled_in(["echo", "--vm={vm}"], {"vm": vm}) == ["echo", f"--vm={vm}"]


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (
            Execution(gates=Gates(ask=(Gate("g", 9.0, command=("true",), environment=("HOME", "GONE")),))),
            "gates.ask[0]",
        ),
        (Execution(hooks=Hooks(before=(Hook(("true",)), Hook(("true",), 9.0, ("HOME", "GONE"))))), "hooks.before[1]"),
        (Execution(hooks=Hooks(after=(Hook(("true",), 9.0, ("HOME", "GONE")),))), "hooks.after[0]"),
    ],
)
def test_a_variable_that_a_program_is_to_be_given_and_that_is_not_set_is_named_at_once(
    asked: Execution, path: str
) -> None:
    open_guards(Policy("p", (), execution=asked), {"HOME": "/", "GONE": ""})
    with pytest.raises(InputError, match=re.escape(f"execution.{path}.environment[1]: 'GONE'")):
        open_guards(Policy("p", (), execution=asked), {"HOME": "/"})
