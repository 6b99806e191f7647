"""A small share of the fuzzer, and that it would find what it looks for."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.pipeline import Request, make_plan
from tests.build import fleet, host, policy, vm
from tests.fuzz.case import Case
from tests.fuzz.replay import refutation
from tests.verify.test_verify import change

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.rotating
@pytest.mark.parametrize("number", range(60))
def test_a_share_of_the_fuzzer(number: int, tmp_path: Path) -> None:
    case = Case(0, number, tmp_path)
    case.run()
    assert case.wrong == []
    assert case.ran >= 3


def test_the_replay_refutes_a_plan_that_overloads() -> None:
    snapshot = fleet(
        [host("h0", memory=8), host("h1", memory=8), host("h2", memory=8)],
        [vm("a", "h0", memory=6), vm("b", "h0", memory=6), vm("c", "h1", memory=5)],
    )
    plan = make_plan(snapshot, policy("capacity"), Request(seconds=5, deterministic=True))
    assert refutation(Random(0), snapshot, policy("capacity"), plan) == ""
    assert "h1" in refutation(Random(0), snapshot, policy("capacity"), change(plan, 0, target="h1"))


def test_an_internal_error_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("optimizer.check.check", broken)
    case = Case(0, 1, tmp_path)
    case.run()
    assert any("internal error: ZeroDivisionError" in line for line in case.wrong)
