"""The page, served from a thread of the test, and a browser that drives it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from commands.common import load_policy
from optimizer.clock import SystemClock
from optimizer.service.config import service_config
from optimizer.service.page.serving import serve_page
from optimizer.service.view import FORMAT
from optimizer.sources.config_yaml import read_config

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TOKEN", "Browser", "axe", "browsing", "served", "some_view", "write_view"]

TOKEN = "a-token-of-some-length"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CACHE = Path.home() / ".cache" / "remora-tests"


@contextmanager
def served(directory: Path, **sections: Any) -> Iterator[str]:
    """Serve the page of a configuration; yields its address."""
    (directory / "token").write_text(TOKEN)
    document = {"ledger": "ledger.sqlite", "serve": {"listen": "127.0.0.1:0", "token_file": "token"}, **sections}
    path = directory / "page.yaml"
    path.write_text(json.dumps(document))
    settings, over = service_config(read_config(path)), threading.Event()
    ready: list[str] = []
    is_ready = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        def told(address: str) -> None:
            ready.append(address)
            is_ready.set()

        try:
            serve_page(settings, SystemClock(), {}, over.is_set, told, lambda: load_policy(settings.policy))
        except BaseException as error:
            failed.append(error)
            is_ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_ready.wait(20)
    if failed:
        raise failed[0]
    try:
        yield ready[0]
    finally:
        over.set()
        thread.join(10)


def some_view(hosts: int, **more: Any) -> dict[str, Any]:
    """Return what the service would have written of a fleet of this size."""
    rows = [
        {
            "id": f"h{i}",
            "name": "",
            "rack": f"r{i // 20}",
            "state": "down" if i % 97 == 96 else "active",
            "load": [(i * 37) % 1050, (i * 11) % 900],
            "worst": 0,
            "violations": int(i % 50 == 7),
            "vms": [f"v{i}-{j}" for j in range(8)],
        }
        for i in range(hosts)
    ]
    said = [
        {"rule": "capacity", "hardness": "must", "subject": r["id"], "why": f"{r['id']}: disk 97 %", "hosts": [r["id"]]}
        for r in rows
        if r["violations"]
    ]
    top = {"format": FORMAT, "fleet": "nyc3", "cycle": 7, "taken_at": "2026-11-21T12:00:00+00:00"}
    return {**top, "resources": ["cpu", "disk"], "violations": len(said), "shown": said, "hosts": rows, **more}


def write_view(directory: Path, view: dict[str, Any]) -> None:
    """Write it where the page looks."""
    state = directory / "remora-state"
    state.mkdir(exist_ok=True)
    (state / "view.json").write_text(json.dumps(view))


class Browser:
    """A real Chromium; keeps every request, every line of the console and every error."""

    def __init__(self, playwright: Any) -> None:
        self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        self.requests: list[str] = []
        self.said: list[str] = []

    def page(self, **how: Any) -> Any:
        """Open a page in a context of its own."""
        page = self._browser.new_context(viewport={"width": 1200, "height": 900}, **how).new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda line: self.said.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dismiss)
        return page

    def _dismiss(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def logged_in(self, url: str) -> Any:
        """Open a page, and log in."""
        page = self.page()
        page.goto(f"{url}/login")
        page.get_by_label("Your name").fill("ann")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/")
        return page

    def clear(self) -> None:
        """Close every page, and forget what was heard."""
        for context in self._browser.contexts:
            context.close()
        self.requests.clear()
        self.said.clear()

    def close(self) -> None:
        """End it."""
        self._browser.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser, or skip the test where there is none; CI fails unless its set-up said so."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true" and "chromium" not in os.environ.get("REMORA_WITHOUT", ""):
            pytest.fail(f"CI sets up Chromium, and yet there is no {CHROMIUM}")
        pytest.skip("no Chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """Return axe-core, fetched once into a cache outside the project; without npm the test is skipped."""
    found = sorted(CACHE.glob("axe-core-4*.min.js"))
    if not found:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm to fetch axe-core with, and none in the cache")
        CACHE.mkdir(parents=True, exist_ok=True)
        asked = [npm, "pack", "--silent", "axe-core@4"]
        done = subprocess.run(asked, cwd=CACHE, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip().splitlines()[-1:]}")
        packed = CACHE / done.stdout.split()[-1]
        with tarfile.open(packed) as archive:
            file = archive.extractfile("package/axe.min.js")
            assert file is not None
            (CACHE / f"{packed.stem}.min.js").write_bytes(file.read())
        found = sorted(CACHE.glob("axe-core-4*.min.js"))
    return found[-1].read_text("utf-8")
