"""How a Proxmox cluster is asked: what it refuses, what comes late or in part, whom it believes, what is never said."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.sources.proxmox.api import Api, Unanswered
from optimizer.sources.proxmox.inventory import read_inventory
from optimizer.sources.proxmox.place import Place
from tests.certificates import certificate
from tests.replies import answering, drips, hangs
from tests.sources.fake_proxmox import TOKEN, FakeProxmox, place_of, serving, small_cluster
from tests.sources.source_contract import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

SECRET = TOKEN.partition("=")[2]
WHOLE_ANSWERS = (
    "/version",
    "/access/permissions",
    "/cluster/status",
    "/cluster/resources",
    "/cluster/options",
    "/cluster/ha/resources",
    "/cluster/ha/rules",
    "/cluster/ha/status/manager_status",
    "/cluster/replication",
    "/cluster/tasks",
)


@pytest.fixture
def pve() -> FakeProxmox:
    made = small_cluster()
    made.guest(100, "pve1", {"scsi0": "local-lvm:vm-100-disk-0,size=1G"})
    return made


def refusal(pve: FakeProxmox, directory: Path, **more: Any) -> str:
    with serving(pve) as url, pytest.raises(InputError) as error:
        read_inventory(settings(place_of(directory, url, **more)))
    text = str(error.value)
    assert SECRET not in text and "127.0.0.1" not in text
    return text


@pytest.mark.parametrize("path", WHOLE_ANSWERS)
@pytest.mark.parametrize(
    ("status", "reason", "hint"),
    [
        (401, "authentication failure", "token_file"),
        (403, "Permission check failed (/, Sys.Audit)", "PVEAuditor"),
        (500, "got timeout", ""),
        (596, "Connection timed out", ""),
    ],
)
def test_what_concerns_the_whole_cluster_has_to_be_answered(
    path: str, status: int, reason: str, hint: str, pve: FakeProxmox, tmp_path: Path
) -> None:
    pve.errors[path] = status, f"{reason} {TOKEN}"
    said = refusal(pve, tmp_path)
    assert f"{path}: {status} {reason} ***" in said and hint in said


@pytest.mark.parametrize("path", WHOLE_ANSWERS)
@pytest.mark.parametrize("data", [None, "x", 7, [[1]]])
def test_answers_of_another_shape_are_refused(path: str, data: Any, pve: FakeProxmox, tmp_path: Path) -> None:
    pve.answers[path] = data
    assert path in refusal(pve, tmp_path)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (drips, "no answer within 0.5 s"),
        (hangs, "no answer within 0.5 s"),
        (answering(b""), "none of Proxmox VE"),
        (answering(b'{"data": [{"type": "node", "node": "pve1"'), "none of Proxmox VE"),
        (answering(b"<html>"), "none of Proxmox VE"),
        (answering(b"{}"), "none of Proxmox VE"),
        (answering(b"[" * 100_000), "none of Proxmox VE"),
        (answering(b"", 302, Location="/elsewhere"), "302"),
        (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), "no connection"),
    ],
)
def test_what_is_no_answer_in_time_is_none(
    reply: Callable[[BaseHTTPRequestHandler], None], said: str, pve: FakeProxmox, tmp_path: Path
) -> None:
    pve.replies["/cluster/resources"] = reply
    began = time.monotonic()
    assert said in refusal(pve, tmp_path, deadline_s=0.5 if "within" in said else 20)
    assert time.monotonic() - began < 5


def test_the_deadline_is_that_of_the_whole_reading(pve: FakeProxmox, tmp_path: Path) -> None:
    """Of 40 guests each answers in time, all of them do not: the rest is not observed."""

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        answering(b'{"data": {}}')(handler)

    for vmid in range(200, 240):
        pve.guest(vmid, "pve1")
        pve.replies[f"/nodes/pve1/qemu/{vmid}/config"] = slowly
    with serving(pve) as url:
        began = time.monotonic()
        document = read_inventory(settings(place_of(tmp_path, url, deadline_s=1, at_once=2)))
        assert time.monotonic() - began < 4
    late = [vm for vm in document["vms"] if "no answer within 1 s" in vm.get("unobserved", "")]
    assert 10 < len(late) < 41


def test_the_first_failure_ends_the_waiting(pve: FakeProxmox, tmp_path: Path) -> None:
    """What hangs beside it is left behind, and what was not asked yet is not asked."""
    with serving(pve) as url:
        api = Api(Place("x", url, TOKEN, at_once=2), SystemClock())
        pve.replies["/cluster/status"] = hangs
        pve.errors["/cluster/tasks"] = 500, "got timeout"
        began = time.monotonic()
        paths = ["status", "tasks", *["resources"] * 50]
        with pytest.raises(Unanswered, match="/cluster/tasks: 500 got timeout"):
            api.each([partial(api.get, "cluster", path) for path in paths])
        assert time.monotonic() - began < 2
        api.close()
    assert len(pve.asked) < 52


def test_a_reading_that_hangs_can_be_interrupted(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.replies["/cluster/resources"] = hangs
    with serving(pve) as url:
        place = place_of(tmp_path, url)
        words = [sys.executable, "-m", "cli", "import", "--source", "proxmox", "--location", str(place)]
        child = subprocess.Popen([*words, "-o", str(tmp_path / "fleet.json")], stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while "/cluster/resources" not in pve.asked and time.monotonic() < until:
            time.sleep(0.02)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
    assert (child.returncode, "interrupted" in said) == (130, True)
    assert time.monotonic() - began < 2


def test_connections_are_kept(pve: FakeProxmox, tmp_path: Path) -> None:
    for vmid in range(200, 260):
        pve.guest(vmid, "pve1")
    with serving(pve) as url:
        read_inventory(settings(place_of(tmp_path, url, at_once=4)))
    assert len(pve.asked) > 70
    assert len(pve.connections) <= 8


def test_a_connection_that_the_server_closed_is_opened_again(pve: FakeProxmox) -> None:
    with serving(pve) as url:
        api = Api(Place("x", url, TOKEN), SystemClock())
        api.get("version")
        pve.replies["/cluster/status"] = answering(b'{"data": []}')
        assert api.get("cluster", "status") == []
        assert api.get("version")["release"] == "9.2"
        api.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"/version": {"release": "8.4"}}, "Proxmox VE 8.4, and 9 is the oldest"),
        ({"/version": {}}, "an unknown release"),
        ({"/cluster/status": [{"type": "cluster", "name": "x", "quorate": 0}]}, "no quorum"),
        ({"/cluster/resources": [{"type": "qemu", "id": "qemu/100", "node": "pve1"}]}, "qemu/100 has no vmid"),
        (
            {"/cluster/resources": [{"type": "node", "id": "node/a", "node": "a", "status": "online", "maxcpu": True}]},
            "node/a: maxcpu is True, which is no amount",
        ),
        (
            {
                "/cluster/resources": [
                    {"type": "node", "id": "node/a", "node": "a", "status": "online", "maxcpu": "many"}
                ]
            },
            "maxcpu is 'many'",
        ),
    ],
)
def test_what_cannot_be_believed_is_refused(
    change: dict[str, Any], said: str, pve: FakeProxmox, tmp_path: Path
) -> None:
    pve.answers |= change
    assert said in refusal(pve, tmp_path)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/vms", {"VM.Audit": 0}),
        ("/vms", {}),
        ("/storage", {"VM.Audit": 1}),
        ("/nodes", {"VM.Audit": 1}),
        ("/", {"VM.Audit": 1}),
        ("/vms/105", {"VM.Console": 1}),
        ("/storage/ceph", {}),
        ("/nodes/pve1", {"Sys.Console": 1}),
    ],
)
def test_a_token_that_may_not_see_all_is_refused(
    path: str, allowed: dict[str, int], pve: FakeProxmox, tmp_path: Path
) -> None:
    """What it may not see is missing in lists, and would be room."""
    pve.answers["/access/permissions"][path] = allowed
    said = refusal(pve, tmp_path)
    assert f"on {path}" in said and "PVEAuditor" in said


def test_what_it_may_see_by_its_own_path_is_seen(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.answers["/access/permissions"]["/vms/100"] = {"VM.Audit": 0}
    with serving(pve) as url:
        assert len(read_inventory(settings(place_of(tmp_path, url)))["vms"]) == 1


def test_nothing_but_get_is_asked_with_the_token_in_the_header(pve: FakeProxmox, tmp_path: Path) -> None:
    with serving(pve) as url:
        read_inventory(settings(place_of(tmp_path, url)))
        (tmp_path / "token").write_text(TOKEN.replace("8a1b", "0000"))
        with pytest.raises(InputError, match="401 authentication failure"):
            read_inventory(settings(tmp_path / "proxmox.yaml"))
    assert not [path for path in pve.asked if SECRET in path]
    assert SECRET not in repr(Place("x", "https://pve1:8006", TOKEN))


def test_numbers_and_flags_as_text_are_believed(pve: FakeProxmox, tmp_path: Path) -> None:
    """Some come as text: those of containers, and those of older daemons."""
    for row in pve.answers["/cluster/resources"]:
        row |= {key: str(value) for key, value in row.items() if isinstance(value, int)}
    with serving(pve) as url:
        document = read_inventory(settings(place_of(tmp_path, url)))
    assert document["vms"][0]["demand"] == {"cpu_millicores": 2000, "memory_mib": 4096, "local-lvm_mib": 1024}
    assert document["hosts"][0]["capacity"]["cpu_millicores"] == 16_000


def test_the_certificate_is_verified(pve: FakeProxmox, tmp_path: Path) -> None:
    (key, cert), (_, other) = certificate(tmp_path, "pve"), certificate(tmp_path, "other")
    with serving(pve, (cert, key)) as url:
        assert read_inventory(settings(place_of(tmp_path, url, ca_file="pve.pem")))["fleet"] == "attic"
        for more in ({}, {"ca_file": other.name}):
            with pytest.raises(InputError, match="certificate verify failed") as error:
                read_inventory(settings(place_of(tmp_path, url, **more)))
            assert "/etc/pve/pve-root-ca.pem" in str(error.value)
        with pytest.raises(InputError, match=r"Hostname mismatch, certificate is not valid for its name"):
            read_inventory(settings(place_of(tmp_path, url.replace("127.0.0.1", "localhost"), ca_file="pve.pem")))


def test_ids_are_quoted_and_what_steers_a_terminal_is_escaped(pve: FakeProxmox) -> None:
    pve.errors["/nodes/a/../b?x"] = 500, "bad \x1b[31m"
    with serving(pve) as url:
        api = Api(Place("x", url, TOKEN), SystemClock())
        with pytest.raises(Unanswered) as error:
            api.get("nodes", "a/../b?x")
        api.close()
    assert pve.asked == ["/nodes/a/../b?x"]
    assert "\x1b" not in json.dumps(str(error.value)) and "500 bad" in str(error.value)
