"""The HTML report of a plan, in a real browser: no request, no error, hostile names stay text, small and quick."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.fleet import Move
from optimizer.pipeline import Request, make_plan
from optimizer.report.heat import heat_of
from optimizer.report.loads import linear_atoms
from optimizer.report.page import Page
from optimizer.report.plan_report import plan_report
from tests import build
from tests.command_line import refused, run, write

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "h<img src=x onerror=alert(1)></script>&"
MOST_BYTES, MOST_S = 5_000_000, 3.0

browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")


def fleet(hosts):
    return build.fleet(
        [build.host(f"h{h:05}", memory=100, cpu=100) for h in range(hosts)],
        [build.vm(f"v{h:05}", f"h{h:05}", memory=h % 120, cpu=h % 90) for h in range(hosts)],
    )


def opened(path, **options):
    """Open a report; return its requests, what the console said, the seconds it took, and what was looked up."""
    from playwright.sync_api import sync_playwright

    asked, said = [], []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=[*flags, "--disable-sync"])
        page = chromium.new_page(**options)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        began = time.monotonic()
        page.goto(path.as_uri())
        taken = time.monotonic() - began
        found = {
            "cells": page.evaluate("JSON.parse(document.getElementById('heat').textContent).hosts.length"),
            "text": page.inner_text("main"),
            "drawn": page.evaluate(
                "[...document.querySelectorAll('canvas')].map(c => c.getContext('2d').getImageData(1,1,1,1).data[3])"
            ),
            "images": page.evaluate("document.images.length"),
        }
        chromium.close()
    return [url for url in asked if not url.startswith("file:")], said, taken, found


def test_a_file_is_written_and_inputs_are_kept(tmp_path):
    snapshot = write(tmp_path / "f.json", build.document([build.host("h0", memory=5)], [build.vm("v", "h0", memory=9)]))
    outcome = run("plan", snapshot, "--report", tmp_path / "r.html")
    assert outcome.code == 1
    text = (tmp_path / "r.html").read_text()
    assert "<h2>What is wrong</h2>" in text
    assert "What remains" in text
    refused("plan", snapshot, "--report", snapshot)


def test_names_stay_text(tmp_path):
    snapshot = write(
        tmp_path / "f.json",
        build.document([build.host(HOSTILE, memory=5), build.host("h1", memory=9)], [build.vm("v", HOSTILE, memory=9)]),
    )
    run("plan", snapshot, "--report", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "<img" not in text
    assert "h&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;&amp;" in text
    assert text.count("</script>") == 2
    if CHROMIUM.exists():
        asked, said, _, found = opened(tmp_path / "r.html")
        assert (asked, said, found["images"]) == ([], [], 0)
        assert HOSTILE in found["text"]


@browser
@pytest.mark.slow
@pytest.mark.parametrize("hosts", [100, 1000, 10_000])
def test_in_a_browser(hosts, tmp_path):
    of, policy = fleet(hosts), build.policy("capacity")
    small = fleet(2)
    plan = replace(make_plan(small, policy, Request(seconds=1.0, deterministic=True)), fleet=of.id)
    heats = heat_of(of, linear_atoms(of, policy.rules), [Move(v, v, 0) for v in range(50)])
    path = tmp_path / "report.html"
    path.write_text(plan_report(of, plan, Page(), Page(), heats))
    assert path.stat().st_size < MOST_BYTES
    for scheme in ("light", "dark"):
        asked, said, taken, found = opened(path, color_scheme=scheme)
        assert (asked, said) == ([], [])
        assert found["cells"] == hosts
        assert set(found["drawn"]) == {255}
        assert taken < MOST_S * 3  # of a machine that others use, too


def test_bands_count_every_host():
    of, policy = fleet(300), build.policy("capacity")
    for heat in heat_of(of, linear_atoms(of, policy.rules), []):
        assert sum(heat.bands(heat.before)) == 300
        assert (heat.before == heat.after).all()
    memory = next(h for h in heat_of(of, linear_atoms(of, policy.rules), []) if h.resource == "memory_mib")
    assert memory.bands(memory.before)[-1] == sum(h % 120 > 100 for h in range(300))
