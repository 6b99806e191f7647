"""Orders in both databases: handed out once, under epochs, with leases; what nobody takes ends by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.agents import inventory, orders
from optimizer.execute.agents.opening import open_store
from optimizer.execute.agents.orders import Refused
from optimizer.execute.agents.schema import MIGRATIONS
from optimizer.execute.agents.store_sqlite import APPLICATION_ID
from optimizer.execute.drivers.faults import SkewedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optimizer.execute.agents.store import Store

FLEET = "tiny"
VMS = ("v1", "v2", "v3")


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    opened = open_store(place, SystemClock(), 4)
    yield opened
    opened.close()


def asked(number: int = 1, **more: Any) -> dict[str, Any]:
    said = {"token": f"plan/m{number}/1", "plan": "plan", "move": f"m{number}", "attempt": 1, "vm": f"v{number}"}
    ends = {"source": "h0", "target": "h1", "copied_mib": 10, "seconds": 1.0, "epoch": 1}
    return {**said, **ends, "begin_within_s": 60.0, "current_s": 60.0, **more}


def reporting(store: Store, vms: int = 3, hosts: int = 2, agent: str = "a") -> None:
    """Let agents report: all VMs on h0."""
    for h in range(hosts):
        on = [f"v{v}" for v in range(1, vms + 1)] if h == 0 else []
        seen: dict[str, Any] = {"simulated": True, "digest": f"d{h}", "ago_s": 0.0}
        seen |= {"host": {"id": f"h{h}", "vms": on}}
        seen["vms"] = [{"id": vm, "host": "h0", "moving_to": None} for vm in on]
        with store.transaction() as db:
            inventory.put(db, store, FLEET, f"h{h}", agent, seen)


def give(store: Store, number: int = 1, **more: Any) -> dict[str, Any]:
    with store.transaction() as db:
        return orders.enqueue(db, store, FLEET, asked(number, **more))


def claim(
    store: Store, agent: str = "a", have: tuple[str, ...] = (), *, lease_s: float = 60.0, stopped: bool = False
) -> list[str]:
    with store.transaction() as db:
        found = orders.claim(db, store, FLEET, "h0", agent, have, lease_s=lease_s, stopped=stopped)
    return [order["token"] for order in found["orders"]]


def find(store: Store, number: int = 1) -> dict[str, Any]:
    with store.transaction() as db:
        found = orders.find(db, store, FLEET, f"plan/m{number}/1")
    assert found is not None
    return found


def test_the_same_order_twice_is_one(store: Store) -> None:
    reporting(store)
    assert give(store) == give(store)
    with pytest.raises(Refused, match="asked for before"):
        give(store, target="h7")
    assert claim(store) == ["plan/m1/1"]


def test_a_claim_is_given_to_no_other_when_its_lease_runs_out_and_comes_back(store: Store) -> None:
    reporting(store)
    give(store)
    assert claim(store, "a", lease_s=-1.0) == ["plan/m1/1"]
    assert find(store)["lapsed"]
    assert claim(store, "b") == []
    assert claim(store, "a") == ["plan/m1/1"], "its own agent may have lost the reply"
    assert claim(store, "a", ("plan/m1/1",)) == []
    progress = [{"token": "plan/m1/1", "state": "copying", "remaining_mib": 3.0}]
    with store.transaction() as db:
        assert orders.report(db, store, FLEET, "h0", "b", progress, 60.0) == {"plan/m1/1": "ended"}, "not b's"
    assert find(store)["lapsed"]
    with store.transaction() as db:
        assert orders.report(db, store, FLEET, "h0", "a", progress, 60.0) == {"plan/m1/1": "open"}
    back = find(store)
    assert (back["lapsed"], back["state"], back["remaining_mib"]) == (False, "copying", 3.0)


def test_an_older_epoch_is_refused(store: Store) -> None:
    reporting(store)
    give(store, 1, epoch=5)
    with pytest.raises(Refused, match="epoch 4 is older than 5") as refused:
        give(store, 2, epoch=4)
    assert not refused.value.temporary
    give(store, 3, epoch=5)


def test_once_a_later_leader_has_looked_for_an_order_the_one_before_gives_it_no_more(store: Store) -> None:
    reporting(store)
    give(store, 1, epoch=5)
    with store.transaction() as db:
        assert orders.find(db, store, FLEET, "plan/m2/1", 6) is None
    with pytest.raises(Refused, match="epoch 5 is older than 6"):
        give(store, 2, epoch=5)
    with store.transaction() as db:
        assert orders.find(db, store, FLEET, "plan/m2/1", 5) is None, "a look by an older one lowers nothing"
    give(store, 2, epoch=6)


def test_a_clock_that_is_set_back_takes_no_time_back(tmp_path: Path) -> None:
    """Where it did, no host that a move has ended on could be read for as long."""
    clock = SkewedClock(datetime(2026, 11, 30, tzinfo=UTC))
    place = str(tmp_path / "ledger")
    for first in (clock.at.timestamp(), clock.at.timestamp() + 5.0):
        store = open_store(place, clock, 1)
        reporting(store)
        give(store, 1 if first == clock.first.timestamp() else 2)
        clock.jump(-3600)
        clock.sleep(5.0)
        with store.transaction() as db:
            assert store.now(db) == first + 5.0
            orders.abort(db, store, FLEET, "plan/m1/1")
            assert inventory.read_vm(db, store, FLEET, "v3", 60.0) is not None
        store.close()


def test_what_nobody_takes_in_time_fails_and_is_never_handed_out(store: Store) -> None:
    reporting(store)
    give(store, begin_within_s=-1.0)
    assert claim(store) == []
    late = find(store)
    assert (late["state"], late["failure"]) == ("failed", "temporary")


def test_while_stopped_nothing_is_handed_out(store: Store) -> None:
    reporting(store)
    give(store)
    assert claim(store, stopped=True) == []
    assert claim(store) == ["plan/m1/1"]


def test_aborts(store: Store) -> None:
    reporting(store)
    for number in (1, 2):
        give(store, number)
        with store.transaction() as db:
            assert orders.abort(db, store, FLEET, f"plan/m{number}/1") == ""
        if number == 1:
            assert claim(store) == []
            assert find(store)["detail"] == "aborted before it was begun"
    give(store, 3)
    claim(store)
    with store.transaction() as db:
        assert orders.abort(db, store, FLEET, "plan/m3/1") == ""
        found = orders.claim(db, store, FLEET, "h0", "a", {"plan/m3/1"}, lease_s=60.0, stopped=False)
        assert found == {"orders": [], "abort": ["plan/m3/1"]}
        assert orders.abort(db, store, FLEET, "plan/m1/1") != ""


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"vm": "v9"}, "v9 is not on h0"),
        ({"source": "h1", "target": "h0"}, "v1 is not on h1"),
        ({"target": "h7"}, "no agent is reporting for h7"),
        ({"current_s": -1.0}, "no agent is reporting for h0"),
    ],
)
def test_what_could_not_begin_is_refused(store: Store, what: dict[str, Any], says: str) -> None:
    reporting(store)
    with pytest.raises(Refused, match=says):
        give(store, **what)
    assert claim(store) == []


def test_one_order_for_a_vm(store: Store) -> None:
    reporting(store)
    give(store)
    with pytest.raises(Refused, match="migrating already"):
        give(store, token="plan/m1/2", attempt=2)
    claim(store)
    with store.transaction() as db:
        said = {"token": "plan/m1/1", "state": "failed", "failure": "temporary"}
        assert orders.finish(db, FLEET, "h0", "b", said, store.now(db)) == ""
        assert orders.finish(db, FLEET, "h1", "a", said, store.now(db)) == "", "a token of another host"
        assert orders.finish(db, FLEET, "h0", "a", said, store.now(db)) == "h1"
        assert orders.finish(db, FLEET, "h0", "a", said, store.now(db)) == "", "the second time changes nothing"
    give(store, token="plan/m1/2", attempt=2)


def test_what_was_seen_before_the_end_does_not_count(store: Store) -> None:
    reporting(store)
    give(store)
    claim(store)
    with store.transaction() as db:
        seen = inventory.read_vm(db, store, FLEET, "v1", 60.0)
        assert seen is not None
        assert (seen["host"], seen["moving_to"]) == ("h0", "h1")
        orders.finish(db, FLEET, "h0", "a", {"token": "plan/m1/1", "state": "done"}, store.now(db))
        for read in (inventory.read_vm, inventory.read_host):
            with pytest.raises(inventory.Blind, match="has not reported since"):
                read(db, store, FLEET, "v1" if read is inventory.read_vm else "h1", 60.0)
    assert not find(store)["confirmed"]
    reporting(store)
    assert find(store)["confirmed"]


def test_a_look_that_comes_after_a_later_one_changes_nothing(store: Store) -> None:
    """It was held back on its way, or sent twice: neither is the host as it was then, nor is it fresh."""

    def report(look: int, *on: str, agent: str = "a", ago_s: float = 0.0) -> tuple[float, int]:
        seen: dict[str, Any] = {"simulated": True, "digest": f"d{len(on)}", "ago_s": ago_s, "look": look}
        seen |= {"host": {"id": "h0", "vms": list(on)}, "vms": [{"id": vm, "host": "h0"} for vm in on]}
        with store.transaction() as db:
            return inventory.put(db, store, FLEET, "h0", agent, seen)

    def known() -> list[str]:
        with store.transaction() as db:
            host = inventory.read_host(db, store, FLEET, "h0", 60.0)
            assert host is not None
            assert all((inventory.read_vm(db, store, FLEET, vm, 60.0) is not None) == (vm in host["vms"]) for vm in VMS)
            return host["vms"]

    later = report(8, "v1", ago_s=30.0)
    for look, on in ((7, ("v1", "v2")), (8, ("v1",))):
        assert report(look, *on) == later
        assert known() == ["v1"]
    assert report(9, "v2")[0] > later[0]
    assert known() == ["v2"]
    report(1, "v3", agent="b")
    assert known() == ["v3"], "of another agent, which begins anew"
    report(0, "v1", agent="b")
    assert known() == ["v1"], "of an agent of before, which numbers nothing"


def test_tables_of_before_take_numbered_looks(tmp_path: Path) -> None:
    place = str(tmp_path / "ledger")
    with sqlite3.connect(f"{place}-agents") as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO agent_hosts VALUES (?, 'h0', 'a', 1, '{}', 'd', 0)", (FLEET,))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = open_store(place, SystemClock(), 1)
    seen = {"simulated": True, "digest": "d", "ago_s": 0.0, "look": 1, "host": {"id": "h0", "vms": []}, "vms": []}
    with store.transaction() as opened:
        assert inventory.put(opened, store, FLEET, "h0", "a", seen)[1] == 1
    store.close()


def test_a_silent_agent_s_host_cannot_be_read(store: Store) -> None:
    reporting(store)
    with store.transaction() as db:
        for ago, current in ((0.0, 60.0), (0.0, -1.0)):
            inventory.contact(db, store, [(FLEET, "h0", "a", "d0", ago)])
            if current > 0:
                assert inventory.read_vm(db, store, FLEET, "v1", current) is not None
                continue
            with pytest.raises(inventory.Blind, match="h0 has not reported for"):
                inventory.read_vm(db, store, FLEET, "v1", current)


def test_claims_by_many_at_once_are_given_out_once(place: str) -> None:
    """Two gateways on one database (a file has one connection), eight agents in threads: chance decides."""
    stores = [open_store(place, SystemClock(), 4) for _ in range(2)]
    alone = threading.Lock() if stores[0].connections == 1 else None
    try:
        reporting(stores[0], vms=60)
        given, got, rng = list(range(1, 61)), Counter[str](), Random(3)
        rng.shuffle(given)

        def work(number: int) -> None:
            mine = stores[number % 2]
            have: tuple[str, ...] = ()
            for _ in range(12):
                if alone is not None:
                    with alone:
                        found = claim(mine, f"agent{number}", have)
                else:
                    found = claim(mine, f"agent{number}", have)
                have = (*have, *found)
            got.update(have)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for number in given:
            if alone is not None:
                with alone:
                    give(stores[0], number)
            else:
                give(stores[number % 2], number)
        for thread in threads:
            thread.join()
        got.update(claim(stores[0], "the last"))
        assert len(got) == 60
        assert set(got.values()) == {1}
    finally:
        for store in stores:
            store.close()


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger-agents").write_bytes(b"")
    with pytest.raises(InputError, match="another program"):
        open_store(str(tmp_path / "ledger"), SystemClock(), 4)
    with pytest.raises(InputError, match="No such file"):
        open_store(str(tmp_path / "nowhere" / "ledger"), SystemClock(), 4)
