"""What rivals are told is what the program solves, and their answers are judged without their word."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from benchmarks.case import PYTHON, Missing
from benchmarks.cases.peers import DRIVERS, REBALANCER
from benchmarks.peers import places
from benchmarks.peers.judge import judged
from benchmarks.peers.judge import main as judge
from benchmarks.peers.statement import statement
from benchmarks.policy import default_policy
from cli import remora
from optimizer.check import check
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.sources.fleet_json import read_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "fleet.json"
    command = ["generate", "--hosts", "40", "--vms", "400", "--seed", "3", "-o", str(path)]
    assert CliRunner().invoke(remora, command).exit_code == 0
    return path


@pytest.fixture(scope="module")
def problem(fleet: Path) -> Problem:
    policy = default_policy()
    return build(read_fleet(fleet), policy.demands, policy.least)


@pytest.fixture(scope="module")
def planned(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("plan") / "plan.json"
    assert CliRunner().invoke(remora, ["plan", str(fleet), "-o", str(out)]).exit_code == 0
    moves: list[dict[str, Any]] = json.loads(out.read_bytes())["moves"]
    return {m["vm"]: m["to"] for m in moves}


def broken(said: dict[str, Any], placement: list[int]) -> int:
    """How many sums and groups of a statement a placement breaks, counted plainly."""
    count = 0
    for total in said["sums"]:
        used = [0] * len(said["hosts"])
        for v, h in enumerate(placement):
            used[h] += total["amount"][v]
        count += sum(u > most for u, most in zip(used, total["limit"], strict=True))
    for group in said["groups"]:
        domain = said["domains"][group["level"]]
        for members, most in zip(group["members"], group["most"], strict=True):
            there = [domain[placement[v]] for v in members]
            count += sum(there.count(d) > most for d in set(there))
    return count


def rule_of(problem: Problem, number: int) -> Hardness | None:
    return getattr(getattr(problem.atoms[number], "asked", None), "hardness", None)


def test_a_statement_breaks_where_the_problem_does(problem: Problem, planned: dict[str, str]) -> None:
    said = json.loads(json.dumps(statement(problem)))
    start = problem.start.tolist()
    musts = [i for i in evaluate(problem, start).excess if rule_of(problem, i.atom) is Hardness.MUST]
    assert broken(said, start) == len(musts) > 0
    for vm, host in planned.items():
        start[said["vms"].index(vm)] = said["hosts"].index(host)
    assert broken(said, start) == 0


def test_the_judge_counts_for_itself(fleet: Path, problem: Problem, planned: dict[str, str]) -> None:
    snapshot, policy = read_fleet(fleet), default_policy()
    assert judged(snapshot, policy, planned) == {"moves": len(planned), "musts broken": 0, "worse": 0}
    nothing = judged(snapshot, policy, {})
    assert nothing["moves"] == nothing["worse"] == 0
    assert nothing["musts broken"] == sum(v.hardness is Hardness.MUST for v in check(snapshot, policy)) > 0
    heap = judged(snapshot, policy, dict.fromkeys(problem.vm_ids, problem.host_ids[0]))
    assert heap["worse"] > 0 < heap["musts broken"]
    with pytest.raises(ValueError, match="no such VM or host: nobody"):
        judged(snapshot, policy, {"nobody": problem.host_ids[0]})


def test_the_judge_is_a_command(
    fleet: Path, planned: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(planned), encoding="utf-8")
    assert judge(str(fleet), str(answer)) == 0
    assert json.loads(capsys.readouterr().out)["moves"] == len(planned)
    answer.write_text("{}", encoding="utf-8")
    assert judge(str(fleet), str(answer)) == 1
    assert "musts broken" in capsys.readouterr().err


def test_a_rival_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Missing, match=r"no Python 3\.12 or newer"):
        places.environment("rival", ("rival",), 12)
    with pytest.raises(Missing, match="apt-get"):
        places.debian_programs(("rival",), "rival")
    assert list((tmp_path / "cache" / "remora" / "benchmarks").iterdir()) == []


def test_hbal_is_told_memory_and_groups(problem: Problem, tmp_path: Path) -> None:
    said, out = tmp_path / "said.json", tmp_path / "out.json"
    said.write_text(json.dumps(statement(problem)), encoding="utf-8")
    hbal = tmp_path / "hbal"
    hbal.write_text('#!/bin/sh\nsed "s/|host1||ext/|host2||ext/" "$2" > "$4.balanced"\n', encoding="utf-8")
    hbal.chmod(0o755)
    command = (*PYTHON, str(DRIVERS / "hbal_driver.py"), str(said), str(out), str(hbal), "20")
    subprocess.run(command, check=True)
    moved = {vm: host for vm, host in json.loads(out.read_bytes()).items() if host == problem.host_ids[2]}
    there = [v for v, h in enumerate(problem.start.tolist()) if h in (1, 2)]
    assert sorted(moved) == sorted(problem.vm_ids[v] for v in there)


def test_hbal_that_is_not_done_in_time_has_no_answer(problem: Problem, tmp_path: Path) -> None:
    said, out, hbal = tmp_path / "said.json", tmp_path / "out.json", tmp_path / "hbal"
    said.write_text(json.dumps(statement(problem)), encoding="utf-8")
    hbal.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    hbal.chmod(0o755)
    command = (*PYTHON, str(DRIVERS / "hbal_driver.py"), str(said), str(out), str(hbal), "0.5")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not done after 0.5 s" in done.stderr
    assert not out.exists()


def test_rebalancer_gives_an_answer_that_the_judge_takes(fleet: Path, problem: Problem, tmp_path: Path) -> None:
    python = places.cache() / REBALANCER / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"{REBALANCER} is not here: remora bench rebalancer --quick gets it")
    said, out = tmp_path / "said.json", tmp_path / "out.json"
    said.write_text(json.dumps(statement(problem)), encoding="utf-8")
    command = (str(python), str(DRIVERS / "rebalancer_driver.py"), str(said), str(out), "stratified", "none", "20", "1")
    subprocess.run(command, check=True, capture_output=True)
    assert judge(str(fleet), str(out)) == 0
