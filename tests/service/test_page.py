"""The live page in a real Chromium: how fast it is there, what can be done by it, and that nothing in a name acts."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.ledger import open_ledger
from tests.command_line import run
from tests.service.filed import jobs
from tests.service.pages import Browser, axe, served, some_view, write_view
from tests.service.test_processes import Place
from tests.service.test_run_command import FOUR, config

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
NASTY = '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'`{{7*7}}'


@pytest.mark.parametrize("hosts", [100, 10_000])
def test_it_is_there_soon_and_asks_nobody_else(browser: Browser, tmp_path: Path, hosts: int) -> None:
    write_view(tmp_path, some_view(hosts))
    with served(tmp_path) as url:
        took = []
        for _ in range(3):
            page = browser.page()
            began = time.monotonic()
            page.goto(url, wait_until="load")
            took.append(time.monotonic() - began)
            assert page.evaluate("document.getElementById('heat').naturalWidth") > 500
            page.context.close()
    assert min(took) < 2.0, took
    assert browser.requests
    assert all(request.startswith(url) for request in browser.requests)
    assert browser.said == []


def test_the_heat_map_says_and_opens_the_host_under_the_pointer(browser: Browser, tmp_path: Path) -> None:
    write_view(tmp_path, some_view(100))
    with served(tmp_path) as url:
        page = browser.page()
        page.goto(url)
        with page.expect_response(f"{url}/heat.json"):
            page.locator("#heat").hover(position={"x": 300, "y": 10})
        page.locator("#heat").hover(position={"x": 310, "y": 12})
        page.get_by_text("h7: 25.9 % in use, 1 violation").wait_for()
        page.locator("#heat").click(position={"x": 310, "y": 12})
        page.wait_for_url(f"{url}/host?id=h7")
        assert page.get_by_text("h7: disk 97 %").is_visible()
    assert browser.said == []


def test_a_plan_is_approved_by_the_page_and_then_carried_out(browser: Browser, tmp_path: Path) -> None:
    fleet = json.loads(FOUR.read_text()) | {"taken_at": datetime.now(UTC).isoformat()}
    (tmp_path / "four.json").write_text(json.dumps(fleet))
    path = config(tmp_path, automation={"level": "approve"})
    first = run("run", "--once", "--json", "--config", path).json
    assert first["outcome"] == "waiting"
    with served(tmp_path) as url:
        page = browser.logged_in(url)
        assert page.get_by_text("waits for approval").is_visible()
        page.get_by_role("link", name=first["plan"]).click()
        page.get_by_label("Reason").fill("looks right")
        page.get_by_role("button", name="Approve these 1 moves").click()
        page.get_by_text("Approved by ann (page): looks right").wait_for()
        second = run("run", "--once", "--json", "--config", path).json
        assert (second["outcome"], second["plan"]) == ("done", first["plan"])
        page.goto(url)
        assert page.get_by_text("1 of 1 moves over").is_visible()
        page.goto(f"{url}/ledger")
        assert page.get_by_role("cell", name="ann (page)").first.is_visible()
        page.goto(f"{url}/journeys?vm=db-1")
        assert page.get_by_role("heading", name="Journeys of db-1").is_visible()
    assert browser.said == []


def test_the_button_stops_a_run_within_a_second(browser: Browser, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.configure(every_s=3600)
    process = place.start()
    try:
        with served(tmp_path) as url:
            page = browser.logged_in(url)
            place.until(lambda: len(jobs(tmp_path)) > 0)
            page.locator("progress").wait_for()  # htmx shows the run without a reload
            page.get_by_label("Reason").first.fill("enough")
            clicked = datetime.now(UTC)
            page.get_by_role("button", name="Stop: submit nothing more").click()
            page.get_by_text("STOPPED", exact=True).wait_for()
            took = (datetime.now(UTC) - clicked).total_seconds()
            begun = jobs(tmp_path)
            place.until(lambda: place.log()[-1]["event"] == "cycle ended")
            late = [j for j in jobs(tmp_path) if (datetime.fromisoformat(j["began"]) - clicked).total_seconds() > 1.0]
            assert late == []
            assert len(jobs(tmp_path)) == len(begun) < 8
            assert took < 3.0  # with two busy cores
            assert (place.log()[-1]["outcome"], "enough" in place.log()[-1]["detail"]) == ("stopped", True)
            page.get_by_label("Reason").nth(1).fill("go on")
            page.get_by_role("button", name="Resume").click()
            page.get_by_text("STOPPED", exact=True).wait_for(state="detached")
    finally:
        process.kill()
        process.wait()
    assert browser.said == []


def nasty_place(tmp_path: Path) -> None:
    hosts = [
        {"id": NASTY, "domains": {"rack": NASTY, "zone": "z"}, "capacity": {"memory_mib": 100}},
        {"id": "h1", "name": NASTY, "domains": {"rack": "r", "zone": "z"}, "capacity": {"memory_mib": 1000}},
    ]
    vms = [{"id": f"{NASTY}{i}", "host": NASTY, "demand": {"memory_mib": 80}} for i in range(2)]
    fleet = {
        "format": "remora-fleet/1",
        "fleet": NASTY,
        "taken_at": "2026-11-21T12:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}],
        "levels": ["host", "rack", "zone"],
        "hosts": hosts,
        "vms": vms,
    }
    (tmp_path / "four.json").write_text(json.dumps(fleet))
    run("run", "--once", "--config", config(tmp_path, automation={"level": "act", "reason": NASTY, "by": NASTY}))


def test_names_with_html_stay_text(browser: Browser, tmp_path: Path) -> None:
    nasty_place(tmp_path)
    view = json.loads((tmp_path / "remora-state" / "view.json").read_text())
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        (plan,) = [r.plan for r in ledger.runs(view["fleet"])]
    with served(tmp_path) as url:
        page = browser.page()
        seen = 0
        for path in ("/", "/hosts", "/ledger", "/journeys", f"/plan?id={plan}"):
            page.goto(url + path)
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert page.locator("img[src=x]").count() == 0
            assert page.locator("script:not([src])").count() == 0
            seen += page.get_by_text(NASTY[:30]).count()
        page.goto(url)
        page.get_by_role("link", name=NASTY).first.click()
        assert page.locator("h1").inner_text().startswith("Host ")
        assert seen >= 8
    assert browser.said == []


def test_it_reads_without_a_script(browser: Browser, tmp_path: Path) -> None:
    write_view(tmp_path, some_view(100))
    with served(tmp_path) as url:
        page = browser.page(java_script_enabled=False)
        page.goto(url)
        assert page.get_by_role("heading", name="Hosts: 100").is_visible()
        assert page.get_by_role("link", name="h7", exact=True).is_visible()
        page.get_by_role("link", name="Hosts", exact=True).click()
        assert page.get_by_text("1 to 100 of 100.").is_visible()


def test_it_works_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    write_view(tmp_path, some_view(30))
    with served(tmp_path) as url:
        page = browser.page()
        page.goto(f"{url}/login")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name") == "name":
                break
        page.keyboard.type("ann")
        page.keyboard.press("Tab")
        page.keyboard.type("a-token-of-some-length")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/")
        assert page.get_by_role("button", name="Stop: submit nothing more").is_visible()
    assert browser.said == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.rotating)])
def test_axe_finds_nothing_serious(browser: Browser, tmp_path: Path, scheme: str) -> None:
    script = axe()
    write_view(tmp_path, some_view(100))
    (tmp_path / "four.json").write_bytes(FOUR.read_bytes())
    with served(tmp_path) as url:
        page = browser.logged_in(url)
        page.emulate_media(color_scheme=scheme)
        found: list[Any] = []
        for path in ("/", "/hosts", "/host?id=h7", "/journeys", "/ledger", "/login", "/plan?id=none"):
            page.goto(url + path)
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            page.evaluate(script)
            came = page.evaluate("axe.run()")
            assert len(came["passes"]) > 10
            found += [
                (path, v["id"], v["nodes"][0]["html"])
                for v in came["violations"]
                if v["impact"] in ("serious", "critical")
            ]
    assert found == []
