"""A question about a fleet with an overlay lays it once, warns once, and answers about the VMs as marked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.sources import overlay
from tests import build
from tests.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = {"format": "remora-request/1", "vms": [{"id": "more", "count": 1, "demand": {"memory_mib": 1}}]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = [build.host(f"h{n}", memory=10) for n in range(3)]
    vms = [build.vm(f"v{n}", f"h{n}", memory=4) for n in range(3)]
    (tmp_path / "f.json").write_text(json.dumps(build.document(hosts, vms)))
    (tmp_path / "o.yaml").write_text(
        "format: remora-overlay/1\ngroups: [{id: lost, rules: []}]\nhosts: {h2: {state: disabled}}\n"
    )
    (tmp_path / "r.json").write_text(json.dumps(REQUEST))
    (tmp_path / "s.yaml").write_text("format: remora-scenarios/1\nscenarios: [{name: as it is}]\n")


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "--flavour", "memory=3MiB"),
        ("fit", "--flavour", "memory=3MiB", "--reserve", "r.json"),
        ("place", "--request", "r.json"),
        ("lose",),
        ("lose", "--reserve", "r.json"),
        ("roll",),
        ("compare", "--scenarios", "s.yaml", "--flavour", "memory=3MiB"),
    ],
    ids=" ".join,
)
def test_the_overlay_is_laid_once(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[Any] = []
    real = overlay.apply_overlay

    def counted(*given: Any) -> Any:
        laid.append(given)
        return real(*given)

    monkeypatch.setattr(overlay, "apply_overlay", counted)
    answer = run("whatif", words[0], "f.json", *words[1:], "--overlay", "o.yaml", "--time-limit", 5)
    assert answer.code in (0, 1), answer
    assert len(laid) == 1
    assert answer.err.count("no VM is in the group lost") == 1


def test_what_the_overlay_says_counts_beside_reserved_vms() -> None:
    """h2 takes nobody, so three of 3 MiB fit on the others beside the one that is reserved."""
    words = ("whatif", "fit", "f.json", "--flavour", "memory=3MiB", "--reserve", "r.json", "--json")
    with_it = run(*words, "--overlay", "o.yaml").json["value"]
    assert (with_it, run(*words).json["value"]) == (3, 5)
