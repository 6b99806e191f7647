"""A configuration is judged whole by every command that reads one, and by the file alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.service.config import FIRST
from optimizer.service.sections import PARTS, check_sections
from optimizer.sources.config_yaml import SECTIONS, config_from_document
from tests.command_line import refused, run
from tests.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOUR = ROOT / "docs" / "examples" / "four.json"
OLD = 31_536_000


def test_every_section_is_judged() -> None:
    assert {*PARTS, *FIRST, "cycle", "automation"} == set(SECTIONS)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"inventory": {"fil": "a.json"}}, "inventory.fil", "did you mean file?"),
    ({"inventory": {"file": "a.json", "fleet": "b"}}, "inventory", "fleet only with sql or source"),
    ({"signals": {"exporter": ["node"]}}, "signals.exporter", "did you mean exporters?"),
    ({"signals": {"exporters": ["nod"]}}, "signals.exporters[0]", "did you mean node?"),
    ({"signals": {"without": ["host.pressure.oi"]}}, "signals.without[0]", "host.pressure.io"),
    ({"signals": {"prometheus": {"urll": "http://p"}}}, "signals.prometheus.urll", "did you mean url?"),
    ({"interference": {"score_form": 0.1}}, "interference.score_form", "did you mean score_from?"),
    ({"monitors": {"wach": []}}, "monitors.wach", "did you mean watch?"),
    ({"monitors": {"watch": [{"monitor": "psy"}]}}, "monitors.watch[0].monitor", "psi"),
    ({"monitors": {"and_watch": [{"monitor": "full_disk"}] * 2}}, "monitors", "a name for each monitor"),
    ({"monitors": {"and_watch": [{"monitor": "vcpu_wait"}]}}, "monitors", "a name for each monitor"),
    ({"journeys": {"from_leger": True}}, "journeys.from_leger", "did you mean from_ledger?"),
    ({"growth": {"day": 30}}, "growth.day", "did you mean days?"),
    ({"growth": {"days": 3}}, "growth.days", "at least 14"),
    ({"policy": {"nam": "default"}}, "policy.nam", "did you mean name?"),
    ({"ledger": {"plac": "l.sqlite"}}, "ledger.plac", "did you mean place?"),
    ({"driver": {"locatoin": "hosts.yaml"}}, "driver.locatoin", "did you mean location?"),
    ({"cycle": {"evry_s": 60}}, "cycle.evry_s", "did you mean every_s?"),
    ({"cycle": {"every_s": 60, "watch_every_s": 61}}, "cycle", "watch_every_s (61) of at most every_s (60), or null"),
    ({"cycle": {"watch_every_s": 601}}, "cycle", "watch_every_s (601) of at most every_s (600), or null"),
    ({"cycle": {"every_s": "60", "watch_every_s": 61}}, "cycle.every_s", "number"),
    ({"cycle": {"backoff_s": 3601}}, "cycle", "backoff_s (3601) of at most backoff_most_s (3600)"),
    ({"cycle": {"backoff_most_s": 9}}, "cycle", "backoff_s (60) of at most backoff_most_s (9)"),
    ({"automation": {"level": "atc"}}, "automation.level", "one of observe, propose, approve, act"),
    ({"notify": {"webhook": []}}, "notify.webhook", "did you mean webhooks?"),
    ({"notify": {"webhooks": [{"url": "http://a", "url_env": "A"}]}}, "notify.webhooks[0]", "one of url"),
    ({"notify": {"alertmanagers": [{"url": "am:9093"}]}}, "notify.alertmanagers[0].url", "http://"),
    ({"serve": {"lisen": "127.0.0.1:1"}}, "serve.lisen", "did you mean listen?"),
    ({"serve": {"listen": "0.0.0.0:80"}}, "serve.listen", "a loopback address"),
    ({"serve": {"token_env": "A", "token_file": "b"}}, "serve", "token_env or token_file"),
    ({"metrics": {"listen": "here"}}, "metrics.listen", "HOST:PORT"),
    ({"metrics": {"lsten": "127.0.0.1:1"}}, "metrics.lsten", "did you mean listen?"),
    ({"log": {"levels": "info"}}, "log.levels", "did you mean level?"),
    ({"sevre": {}}, "sevre", "did you mean serve?"),
]


@pytest.mark.parametrize(("sections", "field", "hint"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_wrong_anywhere_is_named(sections: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        check_sections(config_from_document(sections, "remora.yaml"))
    assert (caught.value.where, caught.value.path) == ("remora.yaml", field)
    assert hint in str(caught.value)


def test_judging_a_configuration_loads_no_solver_and_no_compiler() -> None:
    """Every command with --config does so: `signals read` would have 70 MiB more."""
    code = "import sys, optimizer.service.sections; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert {"ortools", "numba", "scipy", "pandas", "sqlalchemy", "uvicorn"}.isdisjoint(found.stdout.split())


def test_each_section_has_a_wrong_field_in_this_test() -> None:
    assert {next(iter(sections)) for sections, _, _ in WRONG} - {"sevre"} == set(SECTIONS)


def config(place: Path, **sections: Any) -> Path:
    shutil.copy(FOUR, place / "four.json")
    document = {"inventory": {"file": "four.json", "max_age_s": OLD}, "ledger": "ledger.sqlite", **sections}
    path = place / "remora.yaml"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--once"],
        ["serve"],
        ["watch", FOUR],
        ["signals", "check"],
        ["signals", "read", "-o", "OUT"],
        ["interference"],
        ["whatif", "grow", FOUR],
    ],
    ids=lambda c: " ".join(map(str, c[:2])) if isinstance(c, list) else "",
)
@pytest.mark.parametrize(("section", "field"), [("serve", "lisen"), ("growth", "queriez"), ("interference", "setp_s")])
def test_every_command_refuses_what_another_would(tmp_path: Path, command: list[Any], section: str, field: str) -> None:
    path = config(tmp_path, **{section: {field: 1}})
    words = [tmp_path / "out.json" if word == "OUT" else word for word in command]
    said = refused(*words, "--config", path)
    assert f"{path}: {section}.{field}" in said and "did you mean" in said
    assert not (tmp_path / "ledger.sqlite").exists() and not (tmp_path / "out.json").exists()


def test_nothing_beside_the_file_has_to_be_there(tmp_path: Path) -> None:
    absent: dict[str, Any] = {
        "serve": {"token_file": "none", "tls_cert": "none.pem", "tls_key": "none.key"},
        "notify": {"webhooks": [{"url_file": "none"}, {"url_env": "NOT_SET"}], "alertmanagers": []},
        "metrics": {"listen": "127.0.0.1:9479", "token_env": "NOT_SET"},
        "signals": {"prometheus": {"url": "https://nowhere.invalid", "password_file": "none", "username": "u"}},
        "policy": "none.yaml",
        "driver": {"name": "of-a-package", "location": "none.yaml"},
    }
    path = config(tmp_path, **absent)
    assert run("watch", FOUR, "--config", path, "--ledger", tmp_path / "l.sqlite").code == 1


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ({"policy": "no-such"}, "policy"),
        ({"policy": {"name": "defualt"}}, "policy.name"),
        ({"policy": "none.yaml"}, "policy"),
        ({"driver": "magic"}, "driver"),
        ({"driver": {"name": "libvrit"}}, "driver.name"),
        ({"monitors": {"watch": [{"monitor": "rule", "rule": "anti_afinity"}]}}, "monitors.watch[0].rule"),
    ],
)
def test_a_name_that_the_run_needs_is_refused_at_its_field(
    tmp_path: Path, sections: dict[str, Any], field: str
) -> None:
    path = config(tmp_path, **sections)
    said = refused("run", "--once", "--config", path)
    assert f"{path}: {field}: " in said and "--driver" not in said


def test_a_location_that_a_driver_refuses_is_named_at_its_field(tmp_path: Path) -> None:
    path = config(tmp_path, driver={"name": "simulated", "location": "somewhere"}, automation={"level": "act"})
    came = run("run", "--once", "--config", path)
    assert came.code == 2
    assert f"{path}: driver.location: 'somewhere'" in came.err and "--location" not in came.err
