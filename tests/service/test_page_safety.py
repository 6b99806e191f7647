"""What the page refuses, and what every answer carries; asked over HTTP, without a browser."""

from __future__ import annotations

import http.client
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from optimizer.cautions import NOT_COMPILED
from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.execute.ledger import open_ledger
from optimizer.pipeline import Request, make_plan
from optimizer.service.keep import DirectoryKeep
from optimizer.service.page.config import ServePart, check_listen
from optimizer.service.page.heat import Grid, picture
from optimizer.service.page.safety import HEADERS
from optimizer.service.page.sessions import TRIES, WITHIN_S, Sessions
from tests.build import policy
from tests.command_line import refused, run
from tests.service.pages import TOKEN, served, some_view, write_view
from tests.service.test_cycle import at_ease, pair_on_one_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Asked:
    """An answer."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").split(";")[0]

    @property
    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([^"]+)"', self.text)[1]  # type: ignore[index]


class Asker:
    def __init__(self, url: str, directory: Path) -> None:
        self.host, self.directory = urlsplit(url).netloc, directory

    def __call__(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Asked:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        body = None if form is None else urlencode(form)
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("GET" if form is None else "POST", path, body, headers)
        answer = connection.getresponse()
        came = Asked(
            answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("utf-8", "replace")
        )
        connection.close()
        return came

    def log_in(self) -> tuple[str, str]:
        came = self("/login", {"name": "ann", "token": TOKEN})
        assert came.status == 303
        return came.cookie, self("/", Cookie=came.cookie).csrf

    def stopped(self) -> bool:
        return (self.directory / "ledger.sqlite.stop").exists()


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asker]:
    write_view(tmp_path, some_view(30))
    open_ledger(str(tmp_path / "ledger.sqlite")).close()
    with served(tmp_path) as url:
        yield Asker(url, tmp_path)


PATHS = (
    *("/", "/now", "/hosts", "/host?id=h1", "/host?id=none", "/ledger", "/journeys", "/login", "/heat.png"),
    *("/heat.json", "/static/page.css", "/none", "/static/../app.py", "/plan?id=../../x"),
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(ask: Asker, path: str) -> None:
    came = ask(path)
    assert came.status == (404 if "none" in path or ".." in path else 200)
    assert {k: came.headers[k.lower()] for k in HEADERS} == HEADERS
    assert ("no-store" in came.headers.get("cache-control", "")) is not path.startswith("/static/")
    assert "server" not in came.headers
    assert not re.search(r"<script(?![^>]*src=)|style=|javascript:|onclick", came.text)


@pytest.mark.parametrize("what", ["stop", "resume", "approve"])
def test_nobody_acts_without_a_session(ask: Asker, what: str) -> None:
    for cookie in ("", "remora_session=guessed"):
        assert ask(f"/act/{what}", {"reason": "x", "csrf": "x"}, Cookie=cookie).status == 403
    assert not ask.stopped()


def test_nobody_acts_without_the_token_of_the_form(ask: Asker) -> None:
    cookie, csrf = ask.log_in()
    for wrong in ("", csrf[:-1], csrf + "x", "\udcff".encode("utf-8", "replace").decode()):
        assert ask("/act/stop", {"reason": "x", "csrf": wrong}, Cookie=cookie).status == 403
    for origin in ("http://evil.example", "null", "https://127.0.0.1:1"):
        assert ask("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie, Origin=origin).status == 403
    assert not ask.stopped()
    assert ask("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie, Origin=f"http://{ask.host}").status == 303
    assert ask.stopped()
    assert "STOPPED" in ask("/").text
    assert ask("/act/resume", {"reason": "y", "csrf": csrf}, Cookie=cookie).status == 303
    assert not ask.stopped()
    assert ask("/act/nothing", {"reason": "y", "csrf": csrf}, Cookie=cookie).status == 404
    assert ask("/logout", {"csrf": csrf}, Cookie=cookie).status == 303
    assert ask("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie).status == 403


def test_a_stop_whose_file_cannot_be_written_stops_the_ledger_all_the_same(ask: Asker) -> None:
    cookie, csrf = ask.log_in()
    (ask.directory / "ledger.sqlite.stop").mkdir()
    came = ask("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie)
    assert (came.status, "stopped by the ledger alone" in came.text) == (503, True)
    with open_ledger(str(ask.directory / "ledger.sqlite")) as ledger:
        assert ledger.controls.of("nyc3")["stop"].reason == "x"


def test_a_stop_before_any_fleet_is_known_holds_for_the_first_run(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        ask = Asker(url, tmp_path)
        cookie, csrf = ask.log_in()
        assert ask("/act/stop", {"reason": "x", "csrf": csrf}, Cookie=cookie).status == 303
        with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.controls.of("whoever comes first")["stop"].reason == "x"
        assert ask("/act/resume", {"reason": "y", "csrf": csrf}, Cookie=cookie).status == 303
        with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.controls.of("whoever comes first") == {}


def test_resume_lifts_a_stop_of_every_fleet_that_the_command_made(tmp_path: Path) -> None:
    write_view(tmp_path, some_view(3))
    with served(tmp_path) as url:
        ask = Asker(url, tmp_path)
        cookie, csrf = ask.log_in()
        where = ("--reason", "fire", "--ledger", tmp_path / "ledger.sqlite")
        with open_ledger(str(tmp_path / "ledger.sqlite")):
            pass
        run("stop", *where)
        assert "STOPPED" in ask("/").text
        with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.controls.of("nyc3")["stop"].reason == "fire"
        assert ask("/act/resume", {"reason": "y", "csrf": csrf}, Cookie=cookie).status == 303
        assert "STOPPED" not in ask("/").text
        with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.controls.of("nyc3") == {}
        run("stop", "--fleet", "nyc3", *where)
        run("stop", "--fleet", "other", *where)
        assert ask("/act/resume", {"reason": "y", "csrf": csrf}, Cookie=cookie).status == 303
        with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.controls.of("nyc3") == {}
            assert ledger.controls.of("other")["stop"].reason == "fire"


def test_reading_acts_on_nothing(ask: Asker) -> None:
    cookie, _ = ask.log_in()
    for path in ("/act/stop", "/act/approve", "/logout"):
        assert ask(path, Cookie=cookie).status == 405
    assert not ask.stopped()


def test_the_cookie_is_kept_from_scripts_and_from_other_places(ask: Asker) -> None:
    came = ask("/login", {"name": "ann", "token": TOKEN}).headers["set-cookie"].lower()
    assert "httponly" in came and "samesite=strict" in came


def test_wrong_tokens(ask: Asker) -> None:
    for token in ("", "x", TOKEN + "x", TOKEN[:-1]):
        came = ask("/login", {"name": "ann", "token": token})
        assert (came.status, came.cookie) == (403, "")
    assert ask("/login", {"name": "  ", "token": TOKEN}).status == 403


def test_too_many_wrong_tokens_close_the_door_for_a_while() -> None:
    clock = SimulatedClock(at_ease().taken_at)
    names = iter(range(100))
    sessions = Sessions(TOKEN, clock, lambda: f"k{next(names)}")
    for _ in range(TRIES):
        assert sessions.log_in("wrong", "ann") == ""
    assert sessions.log_in(TOKEN, "ann") == ""
    clock.sleep(WITHIN_S)
    key = sessions.log_in(TOKEN, "ann")
    assert sessions.of(key) is not None
    clock.sleep(9 * 3600)
    assert sessions.of(key) is None


def test_without_a_token_it_is_read_only(tmp_path: Path) -> None:
    write_view(tmp_path, some_view(3))
    with served(tmp_path, serve={"listen": "127.0.0.1:0"}) as url:
        ask = Asker(url, tmp_path)
        assert "read-only" in ask("/").text
        assert ask("/login", {"name": "ann", "token": ""}).status == 403
        assert ask("/act/stop", {"reason": "x", "csrf": ""}).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "169.254.169.254"])
def test_it_answers_to_its_own_names_only(ask: Asker, host: str) -> None:
    assert ask("/", Host=host).status == 400


@pytest.mark.parametrize("path", [p for p in PATHS if not p.startswith(("/login", "/static", "/none"))])
def test_beyond_loopback_nothing_is_read_without_a_session(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.service.page.serving.is_loopback", lambda host: False)
    write_view(tmp_path, some_view(30))
    with served(tmp_path) as url:
        ask = Asker(url, tmp_path)
        came = ask(path)
        assert (came.status, came.headers["location"]) == (303, "/login")
        assert "h1" not in came.text
        cookie = ask("/login", {"name": "ann", "token": TOKEN}).cookie
        assert ask(path, Cookie=cookie).status in (200, 404)


def test_forms_are_small(ask: Asker) -> None:
    assert ask("/login", {"name": "a" * 20_000, "token": TOKEN}).status == 413


@pytest.mark.parametrize(("said", "status"), [({}, 411), ({"Content-Length": "99999999999"}, 413)])
def test_a_form_says_its_length(ask: Asker, said: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection(ask.host, timeout=10)
    connection.putrequest("POST", "/login")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    for name, value in (said or {"Transfer-Encoding": "chunked"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"" if said else b"5\r\nname=\r\n0\r\n\r\n")
    assert connection.getresponse().status == status
    connection.close()


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        ask = Asker(url, tmp_path)
        for path in ("/", "/now", "/hosts", "/ledger", "/journeys", "/heat.json"):
            assert ask(path).status == 200
        assert "Nothing was read yet" in ask("/").text


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"format": "other"}', '{"format": "remora-view/1"'])
def test_a_view_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    write_view(tmp_path, some_view(3))
    (tmp_path / "remora-state" / "view.json").write_text(text)
    with served(tmp_path) as url:
        assert "Nothing was read yet" in Asker(url, tmp_path)("/").text


@pytest.mark.parametrize("hosts", [0, 1, 3, 100, 999, 10_000])
def test_every_host_has_a_cell(hosts: int) -> None:
    grid = Grid(hosts)
    assert grid.columns * grid.rows >= max(hosts, 1)
    assert grid.size[0] <= 1000
    assert picture(some_view(hosts)["hosts"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"listen": "0.0.0.0:9480", "token_env": "T"}, "serve.listen"),
        ({"listen": "0.0.0.0:9480", "tls_cert": "a", "tls_key": "b"}, "serve.listen"),
        ({"listen": "nonsense"}, "serve.listen"),
        ({"listen": "127.0.0.1:70000"}, "serve.listen"),
        ({"listen": "127.0.0.1:0", "tls_cert": "a"}, "serve.tls_cert"),
    ],
)
def test_what_would_be_open_is_refused(part: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        check_listen("remora.yaml", ServePart(**part))


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "remora.yaml"
    for text, said in [
        ("serve: {listen: '0.0.0.0:80'}", "serve.listen"),
        ("serve: {token_file: none}", "serve.token_file"),
        ("serve: {token_env: NOT_SET}", "serve.token_env"),
        ("serve: {lisen: x}", "serve.lisen"),
    ]:
        path.write_text(text)
        assert said in refused("serve", "--config", path)


def test_what_makes_a_plan_doubtful_stands_above_its_approval(ask: Asker) -> None:
    plan = make_plan(pair_on_one_host(), policy(), Request(seconds=5, deterministic=True))
    warnings = [asdict(NOT_COMPILED), {"code": "x", "where": "<b>", "text": "nasty"}, "no caution"]
    DirectoryKeep(ask.directory / "remora-state").put(replace(plan, stats={"warnings": warnings}))
    text = ask(f"/plan?id={plan.id}").text
    assert NOT_COMPILED.where in text and "`remora compile`" in text
    assert "&lt;b&gt;: nasty" in text and "no caution" not in text
