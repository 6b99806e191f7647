"""New VMs find hosts by HTTP: requests at once never get the same room, and what is kept expires."""

from __future__ import annotations

import http.client
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from optimizer.caution import Caution
from optimizer.check import check
from optimizer.clock import SimulatedClock, SystemClock
from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger import open_ledger
from optimizer.service.page.api import THREADS, WAITING
from optimizer.service.placing import Answer, Placer
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.kinds import time_text
from optimizer.whatif.place_request import Kept, with_kept
from tests import build
from tests.command_line import run
from tests.service.pages import TOKEN, served
from tests.service.test_page_safety import Asker as Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.policy import Policy
    from optimizer.sources.overlay import Warn

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROOM = 10
"""VMs of 8 GiB that fit: two on each of five hosts."""


def inventory(**more: Any) -> build.Document:
    hosts = [build.host(f"h{h}", memory=16_384, rack=f"r{h % 2}") for h in range(ROOM // 2)]
    return build.document(hosts, [build.vm("old", "h0", memory=0)], **more)


def request(name: str, count: int = 1, memory: int = 8192, **more: Any) -> build.Document:
    one = {"id": name, "count": count, "demand": {"memory_mib": memory}, **more}
    return {"format": "remora-request/1", "vms": [one]}


class Asker:
    """Asks one address."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.host, self.token = urlsplit(url).netloc, token

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, text, headers)
        came = connection.getresponse()
        said = came.read()
        connection.close()
        return came.status, json.loads(said)


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    """The sections of a page beside an inventory that was just taken."""
    (tmp_path / "fleet.json").write_text(json.dumps(inventory(taken_at=time_text(SystemClock().now()))))
    return {"inventory": {"file": "fleet.json"}}


def nothing_is_wrong(document: build.Document, kept: list[Kept]) -> None:
    whole = fleet_from_document(with_kept(document, kept, "kept"), "whole")
    assert list(check(whole, build.policy())) == []


def test_requests_at_once_never_get_the_same_room(tmp_path: Path, place: dict[str, Any]) -> None:
    with ExitStack() as stack:
        servers = [Asker(stack.enter_context(served(tmp_path, **place))) for _ in range(2)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: servers[i % 2]("POST", "/api/place", request(f"n{i}")), range(ROOM + 6)))
        assert sorted(status for status, _ in answers) == [200] * ROOM + [409] * 6
        given = [pair for status, said in answers if status == 200 for pair in said["placements"]]
        assert len({vm for vm, _ in given}) == ROOM
        assert sorted(host for _, host in given) == sorted(f"h{h}" for h in range(ROOM // 2) for _ in range(2))
        full = next(said for status, said in answers if status == 409)
        assert (full["reservation"], full["placed"], full["asked"]) == (None, 0, 1)
        assert full["kinds"][0]["missing"]
        status, listed = servers[0]("GET", "/api/reservations")
        assert (status, len(listed["reservations"])) == (200, ROOM)
        name = listed["reservations"][0]["id"]
        assert servers[1]("DELETE", f"/api/reservations/{name}") == (200, {"released": True})
        assert servers[1]("DELETE", f"/api/reservations/{name}") == (404, {"released": False})
        assert servers[0]("POST", "/api/place", request("again"))[0] == 200
        assert servers[0]("POST", "/api/place?hold_s=0", request("more"))[0] == 409
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.audit().faults == ()


def test_the_button_waits_behind_no_request_for_room(
    tmp_path: Path, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All threads of the API are taken, and more requests wait than may be open."""
    over, begun = threading.Event(), threading.Semaphore(0)

    def forever(*_: object) -> Answer:
        begun.release()
        over.wait(30)
        raise SafetyStop("never")

    monkeypatch.setattr(Placer, "place", forever)
    with served(tmp_path, **place) as url, ThreadPoolExecutor(WAITING + 4) as pool:
        ask, visitor = Asker(url), Visitor(url, tmp_path)
        cookie, csrf = visitor.log_in()
        asked = [pool.submit(ask, "POST", "/api/place", request("a")) for _ in range(WAITING + 4)]
        try:
            assert all(begun.acquire(timeout=10) for _ in range(THREADS))
            assert visitor("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie).status == 303
            assert not begun.acquire(blocking=False)
        finally:
            over.set()
        said = [one.result() for one in asked]
    assert {status for status, _ in said} == {503}
    assert sum("are open already" in answer["error"] for _, answer in said) == 4
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.controls.of("whoever comes first")["stop"].reason == "x"


def test_what_is_refused(tmp_path: Path, place: dict[str, Any]) -> None:
    with served(tmp_path, **place) as url:
        ask = Asker(url)
        for token in ("", "a-guess-of-some-length"):
            assert Asker(url, token)("POST", "/api/place", request("a"))[0] == 401
        assert ask("POST", "/api/place", b"{")[0] == 400
        wrong: list[Any] = [[], {}, request("a", memory=0), request("old"), {**request("a"), "vmz": 1}]
        for body in wrong:
            status, said = ask("POST", "/api/place", body)
            assert (status, list(said)) == (400, ["error"]), said
        for path in ("hold_s=-1", "hold_s=1e3", "hold_s=99999999", "hosts=x"):
            assert ask("POST", f"/api/place?{path}", request("a"))[0] == 400
        assert ask("GET", "/api/reservations")[1] == {"reservations": []}
        assert ask("POST", "/api/place", request("a"))[0] == 200
        status, said = ask("POST", "/api/place", request("a"))
        assert status == 400
        assert "vms[0].id" in said["error"]
        for method, path, wanted in (("GET", "/api/plce", 404), ("GET", "/api/place", 405), ("POST", "/api/", 404)):
            status, said = ask(method, path)
            assert (status, list(said)) == (wanted, ["error"])
            assert f"{path}: " in said["error"] and "POST /api/place" in said["error"]


def test_without_an_inventory_there_is_none(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("POST", "/api/place", b"{}", {"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().status == 404
        connection.close()


def placer(document: build.Document, ledger: Path, clock: SimulatedClock, seed: int = 0) -> Placer:
    draw = random.Random(seed)
    return Placer(lambda _: document, build.policy(), str(ledger), clock, lambda: f"{draw.random():.16f}")


def test_what_is_kept_expires(tmp_path: Path) -> None:
    clock, ledger = SimulatedClock(NOW), tmp_path / "l.sqlite"
    asked = placer(inventory(), ledger, clock)
    first = asked.place(request("a", ROOM), 60, "me")
    assert first.complete
    assert len(first.facts["placements"]) == ROOM
    assert not asked.place(request("b"), 60, "me").complete
    clock.sleep(59)
    assert [one.by for one in asked.kept()] == ["me"]
    assert not asked.place(request("b"), 60, "me").complete
    clock.sleep(1)
    assert asked.kept() == ()
    assert asked.place(request("b", ROOM), 60, "me").complete
    with pytest.raises(InputError, match="vms"):
        asked.place(request("b-1"), 60, "me")


def test_a_vm_that_was_made_meanwhile_counts_once(tmp_path: Path) -> None:
    clock, ledger = SimulatedClock(NOW), tmp_path / "l.sqlite"
    placed = placer(inventory(), ledger, clock).place(request("a", 2), 600, "me").facts["placements"]
    made = inventory()
    made["vms"] += [build.vm(vm, host, memory=8192) for vm, host in placed]
    assert placer(made, ledger, clock, 1).place(request("b", ROOM - 2), 600, "me").complete
    assert not placer(made, ledger, clock, 2).place(request("c"), 600, "me").complete


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_kept_breaks_no_rule(seed: int, tmp_path: Path) -> None:
    draw, clock, ledger = random.Random(seed), SimulatedClock(NOW), tmp_path / "l.sqlite"
    document = inventory(groups=[{"id": "g", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": 1}]}])
    asked, kept = placer(document, ledger, clock, seed), []
    for i in range(6):
        groups = {"groups": ["g"]} if draw.random() < 0.4 else {}
        wanted = request(f"n{i}", draw.randint(1, 3), draw.choice((2048, 4096, 8192)), **groups)
        answer = asked.place(wanted, 600, "me")
        if answer.reservation is not None:
            room = answer.reservation.room
            kept.append(Kept(room["request"], [tuple(pair) for pair in room["placements"]]))
        nothing_is_wrong(document, kept)
    assert kept


def test_the_command_answers_the_same(tmp_path: Path) -> None:
    fleet, wanted = tmp_path / "fleet.json", tmp_path / "request.json"
    fleet.write_text(json.dumps(inventory()))
    wanted.write_text(json.dumps(request("a", 3)))
    said = run("whatif", "place", fleet, "--request", wanted, "--json").json
    facts = placer(inventory(), tmp_path / "l.sqlite", SimulatedClock(NOW)).place(request("a", 3), 0, "me").facts
    for name in ("placements", "kinds", "asked", "placed", "bound", "status"):
        assert facts[name] == said[name]


def test_what_is_doubtful_comes_with_the_answer_and_a_wrong_policy_is_refused(tmp_path: Path) -> None:
    """The overlay's names, the inventory's amounts, the policy's names; none in the answer where nothing is."""
    clock, ledger, odd = SimulatedClock(NOW), str(tmp_path / "l.sqlite"), inventory()
    odd["hosts"][0]["capacity"]["memory_mib"] = 64 * 1024**2
    laid = Caution("unknown_name", "o.yaml: vms.v9", "'v9' is not a VM of fleet tiny, so it is ignored")

    def read(warn: Warn) -> build.Document:
        warn(laid)
        return odd

    def asked(policy: Policy) -> Placer:
        return Placer(read, policy, ledger, clock, lambda: "one")

    rules = ("capacity", {"rule": "maintenance", "hosts": ["gone"]})
    warnings = asked(build.policy(*rules, unknown_names="warn")).place(request("a"), 0, "me").facts["warnings"]
    assert [w["where"] for w in warnings] == [laid.where, "hosts[0].capacity.memory_mib", "rules[1].hosts[0]"]
    with pytest.raises(InputError, match="gone"):
        asked(build.policy(*rules)).place(request("a"), 60, "me")
    wants = {"rule": "eligible", "owner_vms": 3, "require": ["owner"]}
    with pytest.raises(InputError, match="require"):
        asked(build.policy("capacity", wants)).place(request("a"), 60, "me")
    assert asked(build.policy()).kept() == ()
    assert "warnings" not in placer(inventory(), tmp_path / "other.sqlite", clock).place(request("a"), 0, "me").facts
