"""A real Prometheus for the tests: in a directory of its own, with a history and with scrapes, gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["backfill", "need_prometheus", "running"]

PATIENCE_S = 30.0
CONFIG = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: %s
"""


def need_prometheus() -> None:
    """Skip where there is none, but not in silence where CI has the package."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    why = "no prometheus here (apt-get install prometheus)"
    if os.environ.get("CI") == "true" and "prometheus" not in os.environ.get("REMORA_WITHOUT", ""):
        pytest.fail(why)
    pytest.skip(why)


def backfill(directory: Path, text: str) -> Path:
    """Make the blocks of a history; returns the data directory of a server that has it."""
    source, data = directory / "history.txt", directory / "data"
    source.write_text(text)
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(source), str(data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return data


@contextmanager
def running(directory: Path, data: Path | None = None, scrapes: Any = (), web: str = "") -> Iterator[str]:
    """Run a server; yields its address, once it is ready. `web`: the content of its web.config (TLS, basic auth)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (directory / "prometheus.yml").write_text(CONFIG % json.dumps(list(scrapes)))
    words = ["prometheus", f"--config.file={directory / 'prometheus.yml'}"]
    words += [f"--storage.tsdb.path={data or directory / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    if web:
        (directory / "web.yml").write_text(web)
        words.append(f"--web.config.file={directory / 'web.yml'}")
    with (directory / "prometheus.log").open("w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=directory)
        try:
            _until_it_answers(server, port, directory, secured=bool(web))
            yield f"{'https' if 'tls_server_config' in web else 'http'}://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _until_it_answers(server: subprocess.Popen[bytes], port: int, directory: Path, *, secured: bool) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert server.poll() is None, (directory / "prometheus.log").read_text()
        try:
            if secured:  # whether it lets us in is what the test asks
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise AssertionError(f"not ready within {PATIENCE_S} s: {(directory / 'prometheus.log').read_text()}")
