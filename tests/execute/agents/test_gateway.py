"""The gateway over HTTP: who may ask what, how large and how slow, TLS, the button, two gateways on one database."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.execute.agents import gateway as gateway_module
from optimizer.execute.agents import serve as serve_module
from optimizer.execute.agents.client import Client, GatewayDown, GatewayRefused
from optimizer.execute.agents.serve import bind
from optimizer.execute.agents.tokens import Tokens, digest_of, read_token, read_tokens
from optimizer.execute.agents.wire import BODIES, SMALL
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.states import MoveState
from tests.execute.agents.running import agents, executor, gateway, until
from tests.execute.plans import line_fleet, move, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLEET = line_fleet(vms=3, hosts=5)
AGENT, OTHER, ANN = "a" * 32, "b" * 32, "c" * 32
TOKENS = Tokens(
    [("agent", "h0", digest_of(AGENT)), ("agent", "h1", digest_of(OTHER)), ("executor", "ann", digest_of(ANN))]
)
CLAIM = {"fleet": "tiny", "host": "h0", "agent": "0" * 32, "have": [], "digest": "0" * 64, "ago_s": 0.0, "wait_s": 0.0}
FIND = {"fleet": "tiny", "token": "plan/m1/1"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gateway(str(tmp_path_factory.mktemp("gateway") / "ledger"), tokens=TOKENS) as url:
        yield url


def status(url: str, token: str, path: str, asked: dict[str, Any]) -> int:
    try:
        Client(url, token).ask(path, asked)
    except GatewayRefused as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("token", "path", "asked", "code"),
    [
        ("", "/v1/agent/claim", CLAIM, 401),
        ("x" * 32, "/v1/agent/claim", CLAIM, 401),
        (AGENT[:-1], "/v1/agent/claim", CLAIM, 401),
        (AGENT, "/v1/agent/claim", CLAIM, 200),
        (OTHER, "/v1/agent/claim", CLAIM, 403),
        (ANN, "/v1/agent/claim", CLAIM, 403),
        (ANN, "/v1/orders/find", FIND, 200),
        (AGENT, "/v1/orders/find", FIND, 403),
        (OTHER, "/v1/agent/report", {**CLAIM, "progress": []}, 400),
        (AGENT, "/v1/nothing", {}, 404),
    ],
)
def test_who_may_ask_what(guarded: str, token: str, path: str, asked: dict[str, Any], code: int) -> None:
    assert status(guarded, token, path, asked) == code


def test_every_agent_path_is_for_its_own_host_and_every_other_for_executors(guarded: str) -> None:
    for path in BODIES:
        for token in (AGENT, ANN):
            code = status(guarded, token, path, {"host": "h1"})
            assert code == 400, "the schema comes first"
    report = {"fleet": "tiny", "host": "h0", "agent": "0" * 32, "progress": []}
    finish = {"fleet": "tiny", "host": "h0", "agent": "0" * 32, "token": "t", "state": "done"}
    assert [status(guarded, t, "/v1/agent/report", report) for t in (AGENT, OTHER, ANN)] == [200, 403, 403]
    assert [status(guarded, t, "/v1/agent/finish", finish) for t in (AGENT, OTHER, ANN)] == [200, 403, 403]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "an object"),
        (b"[" * 50_000, "JSON"),
        (json.dumps({**FIND, "more": 1}).encode(), "more"),
        (json.dumps({"fleet": "tiny"}).encode(), "token"),
        (json.dumps({**FIND, "fleet": 7}).encode(), "fleet"),
        (json.dumps({**FIND, "token": "x" * 2000}).encode(), "token"),
        (json.dumps({**FIND, "token": "a\x00b"}).encode(), "token"),
        (b'{"fleet": NaN, "token": "t"}', "fleet"),
    ],
)
def test_a_body_that_is_wrong_is_refused_and_its_field_named(guarded: str, body: bytes, names: str) -> None:
    answer, said = raw(guarded, "POST", "/v1/orders/find", body)
    assert (answer, names in said["error"]) == (400, True), said
    assert "have to be of one release" in said["error"]


def raw(url: str, method: str, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {ANN}", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_an_oversized_body_is_refused_unread(guarded: str) -> None:
    assert raw(guarded, "POST", "/v1/orders/find", b" " * (SMALL + 1))[0] == 413
    assert raw(guarded, "GET", "/v1/orders/find", b"")[0] == 405
    assert raw(guarded, "GET", "/health", b"") == (200, {"status": "ok", "polls": 0})


def test_an_oversized_body_without_a_length_is_refused(guarded: str) -> None:
    with connected(guarded) as talk:
        talk.sendall(head(length="transfer-encoding: chunked") + b"10000\r\n" + b" " * 0x10000 + b"\r\n1\r\n \r\n")
        assert talk.recv(100).startswith(b"HTTP/1.1 413")


def head(length: str) -> bytes:
    return f"POST /v1/orders/find HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n{length}\r\n\r\n".encode()


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@pytest.mark.slow
def test_slow_clients_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers that never end, a body that never ends, and silence; whoever is quick is served meanwhile."""
    monkeypatch.setattr(gateway_module, "BODY_S", 0.3)
    monkeypatch.setattr(serve_module, "HEADERS_S", 0.3)
    with gateway(str(tmp_path / "ledger")) as url, ExitStack() as stack:
        silent, headers, body = (stack.enter_context(connected(url)) for _ in range(3))
        headers.sendall(b"POST /v1/orders/find HTTP/1.1\r\nhost")
        body.sendall(head("content-length: 100") + b"{")
        assert raw(url, "GET", "/health", b"")[0] == 200
        assert body.recv(100).startswith(b"HTTP/1.1 408")
        assert headers.recv(100) == b""
        assert silent.recv(100) == b""
        quick = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        stack.callback(quick.close)
        ports = set()
        for _ in range(3):  # the deadline is one of a request, not of a connection
            quick.request("GET", "/health")
            assert quick.getresponse().read().startswith(b'{"status": "ok"')
            ports.add(quick.sock.getsockname()[1])
            threading.Event().wait(0.4)
        assert len(ports) == 1


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.7:1"])
@pytest.mark.parametrize(("tls", "tokens"), [(False, False), (True, False), (False, True)])
def test_nothing_but_loopback_without_tls_and_tokens(listen: str, tls: bool, tokens: bool) -> None:
    with pytest.raises(InputError, match="loopback") as refused:
        bind(listen, tls=tls, tokens=tokens)
    assert ("--tls-cert" in str(refused.value), "--tokens" in str(refused.value)) == (not tls, not tokens)


def test_addresses(tmp_path: Path) -> None:
    bind("127.0.0.1:0", tls=False, tokens=False).close()
    bind("0.0.0.0:0", tls=True, tokens=True).close()
    for wrong in ("", "8470", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "no such host.invalid:1"):
        with pytest.raises(InputError, match="--listen"):
            bind(wrong, tls=True, tokens=True)
    for wrong in ("gw", "ftp://gw", "http://gw.example:80", "https://", "https://gw/path"):
        with pytest.raises(InputError, match="gateway"):
            Client(wrong)


def test_files_of_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# hashes\nagent a host {digest_of(AGENT)}\nexecutor ann {digest_of(ANN)}\n")
    known = read_tokens(str(path))
    assert (known.is_agent(AGENT, "a host"), known.is_agent(AGENT, "host"), known.is_executor(ANN)) == (
        True,
        False,
        True,
    )
    assert not known.is_agent(ANN, "a host")
    for wrong in ("", f"agent h1 {AGENT}", f"agent {digest_of(AGENT)}", f"king h1 {digest_of(AGENT)}", "agent h1"):
        path.write_text(wrong)
        with pytest.raises(InputError, match="agent HOST HASH"):
            read_tokens(str(path))
    token = tmp_path / "token"
    token.write_text(AGENT + "\n")
    with pytest.raises(InputError, match="chmod 600"):
        read_token(str(token))
    token.chmod(0o600)
    assert read_token(str(token)) == AGENT
    token.write_text("short")
    with pytest.raises(InputError, match="one token"):
        read_token(str(token))


def test_tls(tmp_path: Path) -> None:
    cert, key = str(tmp_path / "cert"), str(tmp_path / "key")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", key, "-out", cert, "-subj", "/CN=gw", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(words, check=True, capture_output=True)
    with gateway(str(tmp_path / "ledger"), tokens=TOKENS, cert=cert, key=key) as url:
        assert url.startswith("https://")
        assert Client(url, ANN, cert).ask("/v1/orders/find", FIND) == {"order": None}
        with pytest.raises(GatewayDown, match="certificate"):
            Client(url, ANN).ask("/v1/orders/find", FIND)
        with pytest.raises(GatewayDown):
            Client(url.replace("https", "http"), ANN).ask("/v1/orders/find", FIND)


@pytest.mark.slow
def test_while_stopped_nothing_is_handed_out_and_what_waits_fails(tmp_path: Path) -> None:
    said = ["stopped by ann"]
    with gateway(str(tmp_path / "ledger"), stopped=lambda fleet: said[0]) as url:
        hypervisors = SimulatedDriver(FLEET)
        with agents(hypervisors, url, tmp_path / "agents"):
            driver = executor(FLEET, url, begin_within_s=1.0)
            request = request_of(move(FLEET, 1, "v0", "h0", "h3"))
            driver.submit(request)
            ends(driver, request, MoveState.FAILED)
            assert hypervisors.world.jobs == {}
            said[0] = ""
            second = request_of(move(FLEET, 2, "v1", "h1", "h4"))
            driver.submit(second)
            ends(driver, second, MoveState.DONE)
            assert len(hypervisors.world.jobs) == 1


@pytest.mark.slow
def test_two_gateways_on_one_database(new_schema: Any, tmp_path: Path) -> None:
    """Orders are given at one, agents poll at the other; then every agent changes over."""
    place = new_schema()
    hypervisors = SimulatedDriver(FLEET)
    first, second = (request_of(move(FLEET, n, f"v{n}", f"h{n}", f"h{n + 2}")) for n in (1, 2))
    with gateway(place) as one, gateway(place) as two:
        for request, at in ((first, two), (second, one)):
            with agents(hypervisors, at, tmp_path / "agents"):
                driver = executor(FLEET, one)
                driver.submit(request)
                ends(driver, request, MoveState.DONE)
    assert len(hypervisors.world.jobs) == 2


@pytest.mark.slow
def test_an_agent_that_stays_away_is_unknown_and_comes_back(tmp_path: Path) -> None:
    hypervisors = SimulatedDriver(FLEET)
    request = request_of(move(FLEET, 1, "v0", "h0", "h3"))
    with gateway(str(tmp_path / "ledger"), lease_s=0.4) as url:
        others = stack = ExitStack()
        with stack:
            others.enter_context(agents(hypervisors, url, tmp_path / "agents", ["h1", "h2", "h3", "h4"]))
            with agents(hypervisors, url, tmp_path / "agents", ["h0"]):
                driver = executor(FLEET, url)
                driver.submit(request)
                until(lambda: len(hypervisors.world.jobs) == 1)
            until(lambda: blind(driver, request))
            with agents(hypervisors, url, tmp_path / "new state", ["h0"]):
                threading.Event().wait(0.5)
                assert blind(driver, request), "another agent of the host is not given it"
            with agents(hypervisors, url, tmp_path / "agents", ["h0"]):
                until(lambda: not blind(driver, request))
                ends(driver, request, MoveState.DONE)
    assert len(hypervisors.world.jobs) == 1


def ends(driver: Any, request: Any, state: MoveState) -> None:
    """Wait until an order has ended so."""
    until(lambda: (job := driver.observe(request)) is not None and job.state is state)


def blind(driver: Any, request: Any) -> bool:
    try:
        driver.observe(request)
    except Unreadable as error:
        assert "lease ran out" in str(error) or "cannot tell" in str(error)
        return True
    return False


def test_a_gateway_that_is_gone(tmp_path: Path) -> None:
    with gateway(str(tmp_path / "ledger")) as url, agents(SimulatedDriver(FLEET), url, tmp_path / "agents"):
        driver = executor(FLEET, url, deadline_s=1.0)
        with pytest.raises(MoveRefused, match="not on h1"):
            driver.submit(request_of(move(FLEET, 9, "v0", "h1", "h3")))
    with pytest.raises(Unreadable):
        driver.read_vm("v0")
    with pytest.raises(InputError, match="a gateway that answers"):
        executor(FLEET, url)


def test_before_any_agent_has_reported_nobody_knows_whether_moves_are_real(tmp_path: Path) -> None:
    with (
        gateway(str(tmp_path / "ledger")) as url,
        pytest.raises(InputError, match=r"no agent has reported.*start `remora agent`"),
    ):
        executor(FLEET, url)


def test_an_agent_that_migrates_among_some_that_simulate(tmp_path: Path) -> None:
    class Real(SimulatedDriver):
        simulated = property(lambda _: False)

    simulated = SimulatedDriver(FLEET)
    with gateway(str(tmp_path / "ledger")) as url, agents(simulated, url, tmp_path / "agents", ["h0"]):
        driver = executor(FLEET, url)
        assert driver.simulated
        with agents(Real(FLEET), url, tmp_path / "agents", ["h1"]):
            with pytest.raises(Unreadable, match="the agent of h1 migrates, where others simulate"):
                driver.read_host("h1")
            with pytest.raises(InputError, match="agents that all migrate, or all simulate"):
                executor(FLEET, url)


def test_long_polls_wait_and_are_bounded_for_a_host(tmp_path: Path) -> None:
    with gateway(str(tmp_path / "ledger")) as url:
        began = time.monotonic()
        assert Client(url).ask("/v1/agent/claim", {**CLAIM, "wait_s": 0.3}, 1.0)["orders"] == []
        assert time.monotonic() - began >= 0.15
        codes: list[str] = []

        def poll() -> None:
            try:
                Client(url).ask("/v1/agent/claim", {**CLAIM, "wait_s": 0.5}, 1.0)
                codes.append("waited")
            except GatewayDown as error:
                codes.append(str(error))

        threads = [threading.Thread(target=poll) for _ in range(7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert codes.count("waited") == 4
