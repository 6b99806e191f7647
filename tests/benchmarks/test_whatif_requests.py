"""The benchmark of requests for room keeps what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.whatif.requests import REQUESTS, print_requests

if TYPE_CHECKING:
    import pytest


def test_each_request_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_requests([40])
    row = capsys.readouterr().out.strip().splitlines()[-1]
    assert row.startswith("| 40 | 400 |")
    assert row.endswith(f"| {REQUESTS} |")
