"""Benchmarks that are held to a figure end with 1 where it does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import noisy_week
from benchmarks.interference import __main__ as interference
from benchmarks.whatif import __main__ as whatif
from benchmarks.whatif import seconds
from benchmarks.whatif.forecasts import Quality
from tests.verify import growth, tampering

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.mark.parametrize(("coverage", "code"), [(0.80, 0), (0.86, 1), (0.74, 1)])
def test_a_band_that_holds_too_much_or_too_little(monkeypatch: pytest.MonkeyPatch, coverage: float, code: int) -> None:
    monkeypatch.setattr(whatif, "quality", lambda *_: Quality(1, coverage, 0.1, 0.1))
    assert whatif.main(["forecast"]) == code


@pytest.mark.parametrize(("after", "code"), [(105, 0), (104, 1)])
def test_rearranging_that_gains_too_little(monkeypatch: pytest.MonkeyPatch, after: int, code: int) -> None:
    answer = {"value": 100, "after_moves": [{"value": after, "bound": 200}]}
    monkeypatch.setattr(whatif, "given_fleets", lambda: {f"f{n}": Path() for n in range(5)})
    monkeypatch.setattr(whatif, "ask", lambda *_: (answer, 1.0, 1.0))
    assert whatif.main(["gains"]) == code


@pytest.mark.parametrize(("wall", "cpu", "well"), [(9.0, 4.9, True), (4.9, 9.0, True), (5.1, 5.1, False)])
def test_an_answer_that_is_late(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wall: float, cpu: float, well: bool
) -> None:
    answer: dict[str, Any] = {"question": "fit", "value": 1, "bound": 2}
    monkeypatch.setattr(seconds, "ask", lambda *_: (answer, wall, cpu))
    monkeypatch.setattr(seconds, "_first_of", lambda _: ("h0", "r0"))
    assert seconds._row("small", Path("fleet.json"), "fit", ("fit", "FLEET"), seconds.QUICK_S) is well
    assert ("**5**" in capsys.readouterr().out) is not well


@pytest.mark.parametrize("held", [True, False])
def test_evidence_that_is_wrong_too_often(capsys: pytest.CaptureFixture[str], held: bool) -> None:
    def lines() -> Generator[str, None, bool]:
        yield "a row"
        return held

    assert interference._held(lines()) is held
    assert capsys.readouterr().out == "a row\n"


def test_monitors_that_cry_or_miss(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["noisy_week", "--hosts", "4", "--days", "1", "--events", "1"])
    for found, code in (((1, 0, 0, (60.0,), 1.0), 0), ((3, 2, 0, (), 1.0), 1), ((0, 0, 1, (), 1.0), 1)):
        monkeypatch.setattr(noisy_week, "replayed", lambda *_, found=found: noisy_week.Found(*found))
        assert noisy_week.main() == code
    monkeypatch.setattr(noisy_week, "replayed", lambda *_: noisy_week.Found(1, 0, 0, (3600.0,), 1.0))
    assert noisy_week.main() == 1
    assert "quantiles" in capsys.readouterr().out


@pytest.mark.parametrize(("power", "code"), [(1.0, 0), (2.0, 1)])
def test_verification_that_grows_faster_than_the_group(
    monkeypatch: pytest.MonkeyPatch, power: float, code: int
) -> None:
    monkeypatch.setattr(growth, "seconds", lambda _, size: float(size) ** power)
    assert growth.main(["100", "1000"]) == code


@pytest.mark.parametrize(("accepted", "crashed", "code"), [([], [], 0), (["x"], [], 1), ([], ["x"], 1)])
def test_a_changed_plan_that_passes(
    monkeypatch: pytest.MonkeyPatch, accepted: list[str], crashed: list[str], code: int
) -> None:
    monkeypatch.setattr(tampering, "tampered", lambda *_: tampering.Tally(accepted=accepted, crashed=crashed))
    assert tampering.main([]) == code
