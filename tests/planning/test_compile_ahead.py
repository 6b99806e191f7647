"""Compiled ahead: in the types that plans use, no longer than there is time, and wherever it can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer import compiled
from optimizer.left_behind import any_left_behind
from optimizer.planning import compile_ahead as ahead
from tests.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KERNELS = "from optimizer.bounds.kernel_host_choice import fill, look\n" + (
    "from optimizer.repair.kernel_phased_search import phased_search, settled\n"
    "def known(): return [len(k.signatures) for k in (fill, look, phased_search, settled)]\n"
)

PLANNED = """
from dataclasses import replace
from optimizer.parameters import Phased
from optimizer.pipeline import Request, make_plan
from tests.repair.test_column_search import LARGE, uneven
snapshot, asked = uneven(1)
phased = Phased(steps=1, least_steps=1, stale=1)
both = replace(LARGE, phased=phased)
for parameters in (both, replace(both, columns=replace(LARGE.columns, enabled=False))):
    plan = make_plan(snapshot, asked, Request(seconds=2, deterministic=True, parameters=parameters))
    assert plan.moves
"""


def ran(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False)


@pytest.mark.compiles
@pytest.mark.slow
def test_a_plan_compiles_nothing_more() -> None:
    """One signature of each: a plan that called with other types of arrays would have added its own."""
    compiling = (
        "from optimizer.planning.compile_ahead import compile_ahead\nassert all(c.ready for c in compile_ahead())\n"
    )
    done = ran(f"{KERNELS}{compiling}assert known() == [1] * 4\n{PLANNED}assert known() == [1] * 4, known()")
    assert done.returncode == 0, done.stderr


@pytest.mark.compiles
@pytest.mark.slow
def test_the_warm_up_of_a_service_compiles_what_plans_use() -> None:
    code = """
from optimizer.clock import SystemClock
from optimizer.compiled import is_ready
from optimizer.service.ending import Ending
from optimizer.service.planner import warm_up
from tests.build import policy
clock = SystemClock()
ending = Ending(clock)
assert warm_up(policy(), ending, clock, compiling=False) == [] and known() == [0] * 4
said = warm_up(policy(), ending, clock, compiling=True)
assert [(one.search, one.ready) for one in said] == [("columns", True), ("phased", True)], said
assert known() == [1] * 4 and is_ready(look, 0.0, 60.0) and is_ready(phased_search, 0.0, 60.0)
"""
    done = ran(KERNELS + code)
    assert done.returncode == 0, done.stderr


def searches(monkeypatch: pytest.MonkeyPatch, work: object) -> None:
    class Kernel:
        signatures = ()

        class stats:
            cache_path = None

        _cache = None

    monkeypatch.setattr(ahead, "_SEARCHES", {"one": (Kernel, work), "two": (Kernel, work)})


def test_compiling_is_left_behind_when_it_has_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun, asked = threading.Event(), [], []

    def work() -> None:
        begun.append(1)
        go_on.wait(60)

    def over() -> bool:
        asked.append(1)
        return len(asked) > 2

    searches(monkeypatch, work)
    found = ahead.compile_ahead(over)
    assert [(one.before, one.ready, one.cache) for one in found] == [(False, False, "")] * 2
    assert len(begun) == 1, "the second is not begun any more"
    assert any_left_behind() and "not compiled within" in str(found[0])
    go_on.set()


def test_what_can_be_kept_nowhere_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    searches(monkeypatch, lambda: None)
    assert [str(one) for one in ahead.compile_ahead()] == ["compiled in 0.0 s, and kept nowhere"] * 2


def twice(values: Any) -> None:
    values[0] *= 2


def kernel_in(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Any:
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(directory))
    return compiled.compiled(twice)


@pytest.mark.slow
def test_what_the_cache_has_of_another_source_or_processor_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kernel_in(monkeypatch, tmp_path)
    assert not compiled.is_cached(first)
    first(np.ones(1, np.int64))
    assert compiled.is_cached(first), "by this process"
    kept = kernel_in(monkeypatch, tmp_path)
    assert not kept.signatures and compiled.is_cached(kept), "by the one before"
    kept._cache._cache_file._source_stamp = "another source"
    assert not compiled.is_cached(kept)
    other = kernel_in(monkeypatch, tmp_path)
    monkeypatch.setattr(type(other.targetctx.codegen()), "magic_tuple", lambda _: ("another", "processor"))
    assert not compiled.is_cached(other)
    monkeypatch.undo()
    damaged = kernel_in(monkeypatch, tmp_path)
    for file in tmp_path.rglob("*.nbi"):
        file.write_bytes(b"\x80")
    assert not compiled.is_cached(damaged)


@pytest.mark.slow
def test_where_nothing_may_be_written_kernels_are_compiled_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("no locator available")

    with monkeypatch.context() as patch:
        patch.setattr("numba.core.caching.CacheImpl.__init__", nowhere)
        kernel = compiled.compiled(twice)
    values = np.ones(1, np.int64)
    assert not compiled.is_cached(kernel)
    kernel(values)
    assert values[0] == 2 and compiled.is_cached(kernel)
    full = kernel_in(monkeypatch, tmp_path)
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", lambda *_: (_ for _ in ()).throw(OSError(28)))
    full(values)
    assert values[0] == 4
