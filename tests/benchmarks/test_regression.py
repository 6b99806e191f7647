"""The regression check: what it measures, what it compares, what it says, and where it stands."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from benchmarks.policy import default_policy
from benchmarks.regression import check
from benchmarks.regression.baseline import BASELINE, Baseline, machine, read_baseline, write_baseline
from benchmarks.regression.instances import challenge_problem, digest, tight_fleet
from benchmarks.regression.noise import Estimate, Figure, Finding, judge
from benchmarks.regression.reference import compiled_reference, compiled_walk, python_reference
from benchmarks.regression.speed import SPEEDS, TOLERANCE, Workload, measure_speeds, timed
from optimizer.check import check as violations
from optimizer.problem.evaluate import evaluate
from tests.command_line import refused, run
from tests.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ONE = Figure(Estimate(1.0, 0.03), "d" * 16)


def test_instances_are_the_same_each_time_and_others_for_other_seeds() -> None:
    assert digest(challenge_problem(1)) == digest(challenge_problem(1)) != digest(challenge_problem(2))
    assert tight_fleet(1).digest == tight_fleet(1).digest != tight_fleet(2).digest


def test_the_start_of_a_generated_challenge_breaks_nothing_and_has_everything() -> None:
    problem = challenge_problem(1)
    assert not evaluate(problem, problem.start.tolist()).excess
    kinds = {type(atom).__name__ for atom in problem.atoms}
    assert kinds == {"Linear", "AtMost", "AtLeast", "Needs", "Hinge", "MoveCost"}


def test_a_tight_fleet_has_hosts_over_their_memory() -> None:
    found = violations(tight_fleet(1), default_policy())
    assert {v.rule for v in found} == {"capacity"}
    assert len(found) == 15


def test_reference_work_is_always_the_same() -> None:
    for make in (lambda: compiled_reference(50_000), lambda: python_reference(100, 2)):
        work = make()
        assert work() == work() == make()() > 0


@pytest.mark.slow
@pytest.mark.parametrize(("more", "failed"), [(1.0, False), (1.2, True)])
def test_work_made_20_per_cent_more_is_caught_when_it_is_really_measured(more: float, failed: bool) -> None:
    """The reference against itself, and against itself with that many more proposals: here, now, whatever else runs."""
    walk = compiled_walk()
    subject, reference = partial(walk, int(300_000 * more)), partial(walk, 300_000)
    workload = Workload(timed(subject), timed(reference), "")
    before = {"walk": ONE.estimate}
    subject(), reference()
    now = measure_speeds({"walk": workload}, before, check.SLOWER)["walk"]
    assert judge(now, before["walk"], check.SLOWER).failed is failed, now


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = Baseline(machine(), {"a": ONE}, {"b: moves": replace(ONE, estimate=Estimate(25.5, 0.0))})
    write_baseline(tmp_path / "baseline", made)
    assert read_baseline(tmp_path / "baseline") == made


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": "remora-plan/1"}', '{"format": "remora-baseline/1"}', "{"])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "it").write_text(text)
    assert "it" in refused("bench", "--check", "--baseline", tmp_path / "it")


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    both = ["--check", "--seed", "0"], ["--baseline", tmp_path / "it"]
    for args in (["--check", "reading"], ["--renew", "--quick"], *both):
        assert "--baseline" in run("bench", *args).err
        assert run("bench", *args).code == 2


def test_the_baseline_of_the_sources_is_of_what_is_measured_and_sharp_enough() -> None:
    found = read_baseline(BASELINE)
    assert list(found.speed) == [speed.name for speed in SPEEDS]
    assert "searches: cost over bound" in found.quality
    for name, figure in found.speed.items():
        caught = TOLERANCE.get(name, 1.0) * check.CAUGHT
        assert judge(Estimate(figure.estimate.value, 0.0), figure.estimate, check.SLOWER).limit < caught * check.ROOM
    for figure in found.quality.values():
        assert judge(figure.estimate, figure.estimate, check.WORSE).limit < math.log(1.01) * check.ROOM


def test_figures_are_compared_by_name_and_only_on_the_same_inputs() -> None:
    low = {"x: bound": Figure(Estimate(99.0, 0.0), "d")}
    high = {"x: bound": Figure(Estimate(100.0, 0.0), "d")}
    (lower,) = check.compared(low, high, check.WORSE)
    (higher,) = check.compared(high, low, check.WORSE)
    assert lower.finding is not None and lower.finding.failed
    assert higher.finding is not None and higher.finding.improved
    dearer = {"searches: cost over bound": Figure(Estimate(1.01, 0.0), "d")}
    cheaper = {"searches: cost over bound": Figure(Estimate(1.0, 0.0), "d")}
    (cost,) = check.compared(dearer, cheaper, check.WORSE)
    assert cost.finding is not None and cost.finding.failed
    (lenient,) = check.compared(dearer, cheaper, check.WORSE, {"searches: cost over bound": 3.0})
    assert not lenient.failed
    new, gone = check.compared({"a": ONE}, {"b": ONE}, check.SLOWER)
    assert (new.why, gone.why) == ("not in the baseline", "no longer measured")
    (other,) = check.compared({"a": ONE}, {"a": replace(ONE, digest="e" * 16)}, check.SLOWER)
    assert other.why == "measured on other inputs"
    assert new.failed and gone.failed and other.failed


def rows(worse: float) -> list[check.Row]:
    return [
        check.Row("kernel", math.exp(worse), 1.0, Finding(worse, 0.13)),
        check.Row("harm", 0.0, 0.0, Finding(0.0, 0.005)),
    ]


def test_the_command_fails_and_says_what_got_worse_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "check", lambda baseline, tell: rows(0.3))
    done = run("bench", "--check")
    assert done.code == 1
    assert "| kernel | 1.3499 | 1 | 34.99 % | 13.88 % | **worse** |" in done.out
    assert "slower or worse than the baseline: kernel\n" in done.err
    assert "remora bench --renew" in done.err
    document = run("bench", "--check", "--json").json
    assert document["failed"] == ["kernel"]
    assert [row["verdict"] for row in document["rows"]] == ["worse", "as before"]


@pytest.mark.parametrize(("worse", "verdict"), [(0.05, "as before"), (-0.3, "better: renew the baseline")])
def test_the_command_passes_what_is_as_before_or_better(
    monkeypatch: pytest.MonkeyPatch, worse: float, verdict: str
) -> None:
    monkeypatch.setattr(check, "check", lambda baseline, tell: rows(worse))
    done = run("bench", "--check")
    assert done.code == 0
    assert verdict in done.out


def test_another_machine_than_the_baselines_is_named_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_baseline(tmp_path / "it", Baseline(machine() | {"cpu": "abacus"}, {}, {}))
    monkeypatch.setattr(check, "check", lambda baseline, tell: rows(0.3))
    assert "abacus" in run("bench", "--check", "--baseline", tmp_path / "it").err


def test_renewing_writes_the_file_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Baseline(machine(), {"a": ONE}, {})
    monkeypatch.setattr(check, "renew", lambda tell: made)
    assert run("bench", "--renew", "--baseline", tmp_path / "it", "--json").json == {"output": str(tmp_path / "it")}
    assert read_baseline(tmp_path / "it") == made

    def blurred(tell: object) -> Baseline:
        raise check.Blurred("kernel is 1 ± 20 %")

    monkeypatch.setattr(check, "renew", blurred)
    done = run("bench", "--renew", "--baseline", tmp_path / "other")
    assert done.code == 1
    assert "kernel is 1 ± 20 %" in done.err
    assert not (tmp_path / "other").exists()


def test_a_baseline_with_which_little_could_be_caught_is_refused() -> None:
    check.refuse_blurred("kernel", Estimate(1.0, 0.04), Estimate(1.0, 0.0), check.CAUGHT)
    with pytest.raises(check.Blurred, match="kernel is 1 ± 5 %"):
        check.refuse_blurred("kernel", Estimate(1.0, 0.05), Estimate(1.0, 0.0), check.CAUGHT)


def test_the_test_command_makes_the_check_when_nothing_else_of_it_runs() -> None:
    lines = (ROOT / "tools" / "test.sh").read_text().splitlines()
    check = next(i for i, line in enumerate(lines) if line.startswith('  "$python" cli.py bench --check'))
    assert check > next(i for i, line in enumerate(lines) if line.startswith('"$python" -m pytest -n '))
    assert json.loads(BASELINE.read_bytes())["format"] == "remora-baseline/1"
