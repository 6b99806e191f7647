"""Two dask workers, each a process of its own, started and ended here: the same answer, each having done a part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from optimizer.engine import LocalEngine
from optimizer.engine.on_dask import OnDask
from optimizer.errors import EngineError, InputError
from optimizer.pipeline import Request, make_plan
from tests.build import policy
from tests.engine.tasks import Always, Never, die_once, fail, shout
from tests.planning.test_in_parts import generated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("ignore")  # dask's own, in threads of its own


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def engine(scheduler: str) -> Iterator[OnDask]:
    made = OnDask(scheduler)
    yield made
    made.close()


@pytest.mark.slow
def test_a_fleet_in_parts_is_planned_as_in_process_and_each_worker_did_a_part(engine: OnDask) -> None:
    request = Request(deterministic=True, parts=4)
    here = make_plan(generated(), policy(), request, engine=LocalEngine())
    there = make_plan(generated(), policy(), request, engine=engine)
    assert there.id == here.id
    assert there.moves == here.moves != ()
    done = there.stats["partition"]["done"]  # type: ignore[index]
    assert len({part["worker"] for part in done}) == engine.workers == 2


def test_answers_come_in_the_order_of_the_tasks(engine: OnDask) -> None:
    words = [b"one", b"two", b"three"]
    assert [d and d.result for d in engine.map(shout, words, Never())] == [b"ONE", b"TWO", b"THREE"]


def test_the_part_of_a_dask_worker_that_is_killed_is_done_again(engine: OnDask, tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    done = engine.map(partial(die_once, str(marker)), [b"one", b"two", b"three"], Never())
    assert marker.exists()
    assert [d and d.result for d in done] == [b"ONE", b"TWO", b"THREE"]


def test_a_function_that_fails_is_an_error(engine: OnDask) -> None:
    with pytest.raises(EngineError, match=r"part 1 of 1 failed on a dask worker: .*no tea today"):
        engine.map(fail, [b"tea"], Never())


def test_what_is_under_way_when_it_is_stopped_is_given_up(engine: OnDask) -> None:
    assert engine.map(shout, [b"one"], Always()) == [None]


@pytest.mark.slow
def test_nobody_at_the_address_is_an_error_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.engine.on_dask.CONNECT_S", 1)
    with pytest.raises(InputError, match=r"--scheduler: 'tcp://127.0.0.1:1': expected the address of a dask scheduler"):
        OnDask("tcp://127.0.0.1:1")
