"""Reports of what-if answers and of `check`: every question has one, as HTML, SVG and PNG, and nothing is asked for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests import build
from tests.command_line import refused, run, write
from tests.report.test_plan_report import serious

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.pages import Browser

HOSTILE = "r<b>&</script>"
QUESTIONS = {
    "fit": ["--flavour", "memory=4GiB", "--moves", "1", "--by", "rack"],
    "place": ["--flavour", "memory=1GiB", "--count", "3"],
    "lose": [],
    "drain": ["h0"],
    "empty": [],
    "roll": ["--by", "rack"],
    "size": ["--pair", "cpu_millicores:memory_mib"],
    "grow": ["--by", "rack"],
    "compare": [],
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet in two racks, one with a hostile name, and its past."""
    hosts = [build.host(f"h{h}", memory=16_384, cpu=8000, rack=HOSTILE if h < 2 else "r1") for h in range(4)]
    vms = [build.vm(f"v{i}", f"h{i % 4}", memory=3072, cpu=40) for i in range(7)]
    return write(tmp_path_factory.mktemp("answers") / "fleet.json", build.document(hosts, vms))


def past(directory: Path) -> Path:
    draw = random.Random(1)
    rows = ["time,pool,memory_mib"]
    for day in range(40):
        for pool in (f'"{HOSTILE}"', "r1"):
            amount = 7000 + 60 * day + draw.randint(0, 30)
            rows.append(f"2026-{10 + (day + 12) // 31:02}-{(day + 12) % 31 + 1:02}T12:00:00Z,{pool},{amount}")
    path = directory / "past.csv"
    path.write_text("\n".join(rows))
    return path


def scenarios(directory: Path) -> Path:
    path = directory / "scenarios.yaml"
    path.write_text("format: remora-scenarios/1\nscenarios: [{name: the same}]\n")
    return path


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_a_report(question: str, fleet: Path, tmp_path: Path) -> None:
    more = [*QUESTIONS[question], *(["--history", past(tmp_path)] if question == "grow" else [])]
    more += ["--scenarios", scenarios(tmp_path)] if question == "compare" else []
    args = ["whatif", question, fleet, *more, "--time-limit", "5"]
    plain = run(*args)
    outcome = run(*args, "--report", tmp_path / "r.html")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (plain.code, f"{tmp_path / 'r.html'}: report")
    text = (tmp_path / "r.html").read_text()
    assert "<b>" not in text
    assert text.count("</svg>") >= 1
    assert 'role="img" aria-label="' in text
    run(*args, "--report", tmp_path / "r.svg")
    assert ElementTree.parse(tmp_path / "r.svg").getroot().tag.endswith("svg")
    refused(*args, "--report", fleet)


def test_check_and_plan_have_pictures(fleet: Path, tmp_path: Path) -> None:
    for command in ("check", "plan"):
        for ending in ("svg", "png"):
            run(command, fleet, "--report", tmp_path / f"{command}.{ending}")
        assert (tmp_path / f"{command}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(tmp_path / f"{command}.svg").getroot().tag.endswith("svg")


@pytest.mark.slow
def test_in_a_browser(fleet: Path, tmp_path: Path, browser: Browser) -> None:
    run("whatif", "fit", fleet, *QUESTIONS["fit"], "--report", tmp_path / "fit.html")
    run("whatif", "grow", fleet, *QUESTIONS["grow"], "--history", past(tmp_path), "--report", tmp_path / "grow.html")
    run("check", fleet, "--report", tmp_path / "check.html")
    for name, scheme in (("fit", "light"), ("grow", "dark"), ("check", "light")):
        page = browser.page(color_scheme=scheme)
        page.goto((tmp_path / f"{name}.html").as_uri())
        assert serious(page) == []
        page.context.close()
    assert [url for url in browser.requests if not url.startswith("file:")] == []
    assert browser.said == []
