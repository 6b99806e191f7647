"""The HTML report of a plan, in a real browser: no request, no error, hostile names stay text, small and quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optimizer.check import check
from optimizer.report.called import Called
from optimizer.report.explain_plan import moves_of
from optimizer.report.heat import heat_of
from optimizer.report.loads import host_changes, linear_atoms
from optimizer.report.plan_page import plan_page
from optimizer.report.plan_report import plan_report
from optimizer.report.violations import describe_check
from tests import build
from tests.command_line import refused, run, write
from tests.report.large_plan import large_fleet, large_plan
from tests.service.pages import Browser, axe

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "h<img src=x onerror=alert(1)></script>&"
MOST_BYTES, MOST_S = 5_000_000, 3.0
FEW, MANY = 14, 100


def opened(browser: Browser, path: Path, **how: Any) -> tuple[Any, float]:
    """Open a report; return its page, and the CPU seconds that the browser's process for it took."""
    page = browser.page(**how)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(path.as_uri())
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
    found = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return page, float(found["ProcessTime"])


def said(browser: Browser) -> tuple[list[str], list[str]]:
    """Return what was asked for beyond the file, and what the console has."""
    return [url for url in browser.requests if not url.startswith("file:")], browser.said


def serious(page: Any) -> list[Any]:
    """Return what axe-core holds against a page."""
    page.evaluate(axe())
    came = page.evaluate("axe.run()")
    assert len(came["passes"]) > 20
    wrong = [v for v in came["violations"] if v["impact"] in ("serious", "critical")]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in wrong]


def report_of(hosts: int, path: Path) -> Path:
    """Write the report of a plan for this number of hosts."""
    fleet, policy, plan = large_fleet(hosts), build.policy("capacity"), large_plan(hosts)
    moves = moves_of(fleet, plan.moves)
    facts = describe_check(fleet, "test", policy.rules, check(fleet, policy))
    assert len(facts.violations) == len(range(0, hosts, 7))
    atoms = linear_atoms(fleet, policy.rules)
    page = plan_page(plan, host_changes(fleet, atoms, moves), policy.least, Called.of(fleet))
    heats = heat_of(fleet, atoms, moves)
    path.write_text(plan_report(fleet, plan, facts, page, heats, policy.least, Called.of(fleet)))
    return path


def test_a_file_is_written_and_inputs_are_kept(tmp_path):
    snapshot = write(tmp_path / "f.json", build.document([build.host("h0", memory=5)], [build.vm("v", "h0", memory=9)]))
    outcome = run("plan", snapshot, "--report", tmp_path / "r.html")
    assert outcome.code == 1
    text = (tmp_path / "r.html").read_text()
    assert ">What is wrong</h2>" in text
    assert "What remains" in text
    refused("plan", snapshot, "--report", snapshot)


def test_names_stay_text(tmp_path, browser):
    snapshot = write(
        tmp_path / "f.json",
        build.document([build.host(HOSTILE, memory=5), build.host("h1", memory=9)], [build.vm("v", HOSTILE, memory=9)]),
    )
    run("plan", snapshot, "--report", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "<img" not in text
    assert "h&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;&amp;" in text
    assert "</script" not in text
    page, _ = opened(browser, tmp_path / "r.html")
    assert page.evaluate("document.images.length") == 0
    assert HOSTILE in page.inner_text("main")
    assert said(browser) == ([], [])


def test_names_in_what_the_script_reads_stay_text(tmp_path, browser):
    hosts = [build.host(f"{HOSTILE}{h}", memory=5) for h in range(40)]
    snapshot = write(tmp_path / "f.json", build.document(hosts, [build.vm("v", f"{HOSTILE}0", memory=9)]))
    run("plan", snapshot, "--report", tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().count("</script>") == 2
    page, _ = opened(browser, tmp_path / "r.html")
    page.locator(".maps").first.focus()
    page.keyboard.press("End")
    assert page.inner_text("output").startswith(f"{HOSTILE}39: 0 %")
    assert page.evaluate("document.images.length") == 0
    assert said(browser) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hosts", "scheme"),
    [
        (FEW, "light"),
        (MANY, "dark"),
        *(pytest.param(n, s, marks=pytest.mark.rotating) for n in (1000, 10_000) for s in ("light", "dark")),
    ],
)
def test_in_a_browser(hosts, scheme, tmp_path, browser):
    path = report_of(hosts, tmp_path / "report.html")
    assert path.stat().st_size < MOST_BYTES
    page, taken = opened(browser, path, color_scheme=scheme)
    assert taken < MOST_S
    assert said(browser) == ([], [])
    print(f"{hosts} hosts, {scheme}: {path.stat().st_size / 1e6:.2f} MB, {taken:.2f} s of CPU until it is there")
    assert page.locator("section").count() >= 5
    # each move is a row, and so is each host that it changes; axe looks at the first 200 of each list, which are alike
    assert page.locator("tbody tr").count() > 3 * len(range(0, hosts - 1, 7))
    page.evaluate(
        "document.querySelectorAll('tbody').forEach((b) => [...b.rows].slice(200).forEach((r) => r.remove()))"
    )
    page.evaluate(
        "document.querySelectorAll('.lines').forEach((d) => [...d.children].slice(200).forEach((p) => p.remove()))"
    )
    assert serious(page) == []


def test_the_keyboard_and_the_pointer_name_a_host(tmp_path, browser):
    page, _ = opened(browser, report_of(MANY, tmp_path / "report.html"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "maps":
            break
    page.keyboard.press("Home")
    says = page.locator("output").first
    first = says.inner_text()
    assert first.startswith("h00000: ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    columns = int(page.locator(".maps").first.get_attribute("data-columns"))
    assert says.inner_text().startswith(f"h{1 + columns:05}: ")
    page.locator(".maps svg").first.hover(position={"x": 3, "y": 3})
    assert says.inner_text() == first
    assert said(browser) == ([], [])


def test_on_paper_nothing_scrolls_and_all_is_light(tmp_path, browser):
    page, _ = opened(browser, report_of(280, tmp_path / "report.html"), color_scheme="dark")
    high = "[...document.querySelectorAll('.long, .lines')].map((e) => getComputedStyle(e).maxHeight)"
    assert "480px" in page.evaluate(high)
    page.emulate_media(media="print", color_scheme="dark")
    assert set(page.evaluate(high)) == {"none"}
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((e) => e.scrollHeight <= e.clientHeight + 1)")
    assert page.pdf().startswith(b"%PDF")


def test_bands_count_every_host():
    of = build.fleet(
        [build.host(f"h{h:05}", memory=100, cpu=100) for h in range(300)],
        [build.vm(f"v{h:05}", f"h{h:05}", memory=h % 120, cpu=h % 90) for h in range(300)],
    )
    policy = build.policy("capacity")
    for heat in heat_of(of, linear_atoms(of, policy.rules), []):
        assert sum(heat.bands(heat.before)) == 300
        assert (heat.before == heat.after).all()
    memory = next(h for h in heat_of(of, linear_atoms(of, policy.rules), []) if h.resource == "memory_mib")
    assert memory.bands(memory.before)[-1] == sum(h % 120 > 100 for h in range(300))
