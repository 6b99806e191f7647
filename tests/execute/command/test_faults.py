"""Programs that fail, hang, lie and are asked odd names: what each of these becomes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.drivers import MoveRefused, ReplyLost, Request, Unreadable
from optimizer.execute.drivers.command import CommandDriver, open_command
from optimizer.execute.drivers.command.arguments import Unfit, parse_arguments
from optimizer.execute.drivers.command.processes import Environment, NotAnswered, run
from optimizer.execute.drivers.command.template import read_template
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.execute.states import MoveState
from tests.execute.command.fake_programs import change, look
from tests.execute.command.stand_in import TOY, settings_of
from tests.execute.plans import line_fleet, move, request_of

if TYPE_CHECKING:
    from pathlib import Path

FLEET = line_fleet(vms=2, hosts=4)


def request() -> Request:
    return replace(request_of(move(FLEET, 1, "v0", "h0", "h2")), since=SystemClock().now())


def opened(patch: pytest.MonkeyPatch, home: Path, **faults: Any) -> CommandDriver:
    driver = open_command(FLEET, settings_of("toy", FLEET, patch, home, output_mib=1))
    with change(home / "bin") as world:
        world["faults"] = faults
    return driver


READS: list[dict[str, Any]] = [
    {"exit": 1, "err": "no"},
    {"print": "not json"},
    {"print": '{"id": 1}'},
    {"print": "[1]"},
    {"huge": 3 << 20},
    {"hang": True},
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", READS, ids=[str(f)[:24] for f in READS])
def test_what_cannot_be_read_is_unreadable(fault: dict[str, Any], monkeypatch, tmp_path: Path) -> None:
    driver = opened(monkeypatch, tmp_path, vms=[fault])
    with pytest.raises(Unreadable, match="vms: toy: "):
        driver.read_vm("v0")
    assert driver.read_vm("v0") is not None


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"lost": True}, {"exit": 9}])
def test_a_lost_reply_counts_at_both_ends_and_is_searched_for(fault, monkeypatch, tmp_path: Path) -> None:
    driver, asked = opened(monkeypatch, tmp_path, migrate=[fault]), request()
    with pytest.raises(ReplyLost):
        driver.submit(asked)
    assert driver.read_vm("v0").moving_to == "h2"  # type: ignore[union-attr]
    with pytest.raises(MoveRefused):
        driver.submit(replace(asked, attempt=2))
    other = open_command(FLEET, DriverSettings(str(tmp_path / "location.yaml")))
    found = other.observe(asked)
    assert (found is not None) is ("lost" in fault)
    assert len(look(tmp_path / "bin")["jobs"]) == ("lost" in fault)


@pytest.mark.parametrize(("code", "temporary"), [(3, True), (2, False), (4, False)])
def test_exit_codes_become_refusals(code: int, temporary: bool, monkeypatch, tmp_path: Path) -> None:
    driver = opened(monkeypatch, tmp_path, migrate=[{"exit": code, "err": "token=s3cret-value"}])
    with pytest.raises(MoveRefused, match=f"exit code {code}") as refused:
        driver.submit(request())
    assert refused.value.temporary is temporary


def test_a_state_that_no_table_has_is_unknown(monkeypatch, tmp_path: Path) -> None:
    driver, asked = opened(monkeypatch, tmp_path), request()
    driver.submit(asked)
    with change(tmp_path / "bin") as world:
        world["jobs"][0]["status"] = "confused"
    job = driver.observe(asked)
    assert job is not None
    assert (job.state, "confused" in job.detail) == (MoveState.UNKNOWN, True)


KNOWN = {"vm", "vm.uuid"}


@pytest.mark.parametrize("name", ["-x", "--help", "-", "--", "-c 'rm'"])
def test_an_option_cannot_be_smuggled_in(name: str) -> None:
    with pytest.raises(Unfit, match="read as an option"):
        parse_arguments(["p", "{vm}"], "t", "run", KNOWN, {}).fill({"vm": name})
    assert parse_arguments(["p", "--vm={vm}"], "t", "run", KNOWN, {}).fill({"vm": name}) == ["p", f"--vm={name}"]
    assert parse_arguments(["p", "--", "{vm}"], "t", "run", KNOWN, {}).fill({"vm": name}) == ["p", "--", name]


@pytest.mark.parametrize("name", ["a b", "$(id)", "a;b", "'", '"', "*", "{vm}", "a\nb", "5", "é"])
def test_a_value_stays_one_argument(name: str) -> None:
    arguments = parse_arguments(["p", "x={vm}", "{vm}"], "t", "run", KNOWN, {})
    assert arguments.fill({"vm": name}) == ["p", f"x={name}", name]
    through = ["/bin/sh", "-c"]
    words = parse_arguments(["printf", "%s", "{vm}"], "t", "run", KNOWN, {}).fill({"vm": name}, through)
    ended = run(words, Environment.of({"PATH": "/usr/bin:/bin"}, {}, ()), 5, 4096)
    assert ended.out.decode() == name


@pytest.mark.slow
def test_a_hanging_program_is_killed_with_its_group(tmp_path: Path) -> None:
    words = ["sh", "-c", f"(sleep 2; touch {tmp_path}/late) & sleep 30"]
    began = time.monotonic()
    with pytest.raises(NotAnswered, match="no answer"):
        run(words, Environment.of({"PATH": "/usr/bin:/bin"}, {}, ()), 0.3, 4096)
    assert time.monotonic() - began < 10
    time.sleep(2.5)
    assert not (tmp_path / "late").exists()


def test_secrets_are_not_shown() -> None:
    environment = Environment.of({"OS_PASSWORD": "hunter22", "HOME": "/root"}, {"X": "from-a-file"}, ("from-a-file",))
    assert environment.fit("hunter22 at /root, from-a-file") == "... at /root, ..."


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("submit", "run"), "toy", "submit.run"),
        (("submit", "run"), ["toy", "{vmm}"], "submit.run[1]"),
        (("submit", "run"), ["toy", "{"], "braces"),
        (("submit", "ends"), [{"means": "perhaps"}], "submit.ends[0].means"),
        (("submit", "deadline_s"), 0, "submit.deadline_s"),
        (("jobs", "states"), {"x": "moving"}, "jobs.states.x"),
        (("jobs", "columns"), {"state": "status"}, "jobs.columns.state"),
        (("jobs", "columns"), {"job": "/id"}, "a column state"),
        (("vms", "name"), ["nope"], "vms.name[0]"),
        (("vms", "calls"), [], "vms.calls"),
        (("host",), {"a": "b"}, "host.a"),
        (("shapes",), {"vm": "("}, "shapes.vm"),
        (("abort",), {"run": ["x"], "pattern": "("}, "abort.pattern"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_a_bad_template_names_file_field_and_value(
    path: tuple[str, ...], value: Any, said: str, tmp_path: Path
) -> None:
    document: dict[str, Any] = yaml.safe_load(TOY.read_text())
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(InputError) as error:
        read_template("bad.yaml", tmp_path, "location.yaml")
    assert "bad.yaml" in str(error.value)
    assert said in str(error.value)
