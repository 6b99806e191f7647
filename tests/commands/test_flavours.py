"""`remora whatif fit` about several flavours: each as if it were asked alone, in one time limit."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.report.render import write_page
from optimizer.report.whatif_facts import About, FitFacts, PoolFacts, Reason, SurvivalFacts
from optimizer.report.whatif_flavours_page import FlavourFacts, FlavoursFacts, flavours_page
from optimizer.whatif import compare, fit
from optimizer.whatif.effort import Effort
from tests import build
from tests.command_line import refused, run, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = ("memory=2GiB", "cpu=1,memory=1GiB", "memory=30GiB")
FLAVOURS = [word for size in SIZES for word in ("--flavour", size)]
LIMIT = ("--time-limit", "20", "--workers", "1")
WAYS: dict[str, list[str]] = {
    "plain": [],
    "by": ["--by", "rack"],
    "moves and a loss": ["--moves", "2", "--survive", "1"],
    "groups": ["--replicas", "2", "--level", "rack", "--moves", "1"],
    "reserved": ["--survive", "1", "--reserve", "RESERVED"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hosts in two racks, of which no VM of 30 GiB fits any, and a reservation whose VM is called `new`."""
    directory = tmp_path_factory.mktemp("flavours")
    hosts = [build.host(f"h{h}", memory=16_384, cpu=8000, rack=f"r{h // 2}") for h in range(4)]
    vms = [build.vm(f"v{i}", f"h{i % 4}", memory=3000 + 100 * i, cpu=1000) for i in range(7)]
    write(directory / "fleet.json", build.document(hosts, vms))
    kept = [{"id": "new", "count": 2, "demand": {"memory_mib": 1024}}]
    write(directory / "reserved.json", {"format": "remora-request/1", "vms": kept})
    return directory


def asked(files: Path, *words: str) -> list[object]:
    said = [files / "reserved.json" if word == "RESERVED" else word for word in words]
    return ["whatif", "fit", files / "fleet.json", *said, *LIMIT]


def timeless(answer: Any) -> Any:
    return {**answer, "about": {**answer["about"], "seconds": 0}}


@pytest.mark.parametrize("way", WAYS)
def test_each_is_answered_as_it_is_alone(way: str, files: Path) -> None:
    outcome = run(*asked(files, *FLAVOURS, *WAYS[way], "--json"))
    together = outcome.json
    assert (outcome.code, together["question"]) == (0, "flavours")
    assert [one["flavour"] for one in together["flavours"]] == list(SIZES)
    alone = [run(*asked(files, "--flavour", size, *WAYS[way], "--json")).json for size in SIZES]
    assert [timeless(one["fit"]) for one in together["flavours"]] == [timeless(one) for one in alone]
    assert [one["question"] for one in alone] == ["fit"] * 3
    assert alone[0]["value"] > alone[2]["value"] == 0
    assert timeless(together)["about"] == timeless(alone[0])["about"]
    assert together["about"]["seconds"] >= sum(one["fit"]["about"]["seconds"] for one in together["flavours"]) - 0.01


def test_the_table_has_a_row_for_each(files: Path) -> None:
    said = run(*asked(files, *FLAVOURS, "--moves", "2", "--survive", "1", "--by", "rack")).out
    alone = [run(*asked(files, "--flavour", size, *WAYS["moves and a loss"], "--json")).json for size in SIZES]
    assert said.startswith("2 of 3 flavours still fit without moving anything, each asked by itself\n")
    table, pools = said.split("\nPools by rack\n")
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip().startswith(SIZES)}
    for size, answer in zip(SIZES, alone, strict=True):
        values = [answer["value"], answer["after_moves"][-1]["value"], answer["survive"]["value"]]
        bounds = [answer["bound"], answer["after_moves"][-1]["bound"], answer["survive"]["bound"]]
        shown = [f"{v}" if v >= b else f"{v} (at most {b})" for v, b in zip(values, bounds, strict=True)]
        assert " ".join(rows[size].split()).startswith(" ".join([size, *shown, "CPU" if "cpu" in size else "memory"]))
    assert "memory (4 hosts)" in rows[SIZES[2]]
    assert "4 losses packed, 4 held against every rule: accepted" in said
    held = run(*asked(files, *FLAVOURS[:2], "--by", "rack", "--json")).json["pools"]
    told = [line.split() for line in pools.splitlines() if SIZES[0] in line]
    assert told == [[pool["pool"], "2", "-", SIZES[0], str(pool["vms"])] for pool in held]
    assert "not proven" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--flavour", SIZES[0]), "'memory=2GiB': expected each size once (memory=2GiB is the same)"),
        (("--flavour", "memory=1024MiB,cpu=1000m"), "expected each size once (cpu=1,memory=1GiB is the same)"),
        (("--flavour", "memry=1GiB"), "(did you mean memory?)"),
        (("--flavour", ""), "RESOURCE=AMOUNT"),
        (("--like", "v0"), "ask --like or --request in a run of its own"),
        (("--request", "RESERVED"), "ask --like or --request in a run of its own"),
        (("--survive", "9"), "at most the 4 hosts"),
        (("--by", "zoo"), "--by: 'zoo'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_solved(
    words: tuple[str, ...], told: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solved(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(fit, "fit", solved)
    if words[0] == "--flavour":
        monkeypatch.setattr(compare, "place_waiting", solved)
        words = (*words, "--reserve", "RESERVED")
    assert told in refused(*asked(files, *FLAVOURS, *words))


@pytest.mark.parametrize("question", ["place", "compare"])
def test_questions_about_one_size_refuse_several(question: str, files: Path) -> None:
    scenarios = write(files / "scenarios.yaml", {"format": "remora-scenarios/1", "scenarios": [{"name": "a"}]})
    more = ("--scenarios", scenarios) if question == "compare" else ()
    told = refused("whatif", question, files / "fleet.json", *FLAVOURS, *more)
    assert "--flavour names one size here: several at once are a --request" in told


class Clock:
    """Stands still unless it is moved."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_what_one_does_not_use_is_shared_among_those_that_are_left() -> None:
    clock: Any = Clock()
    whole, left = Effort(clock, 160.0), []
    for i, takes_s in enumerate((20.0, 2.0, 99.0, 1.0)):
        share = whole.share(4 - i)
        left.append(share.left())
        clock.now_s = min(clock.now_s + takes_s, 200.0)
    assert left == [15.0, pytest.approx(40 / 3), 19.0, 0.0]
    assert share.over()


def counted(monkeypatch: pytest.MonkeyPatch, told: Callable[[Effort], None]) -> None:
    ask = fit.fit

    def asking(fleet: Any, policy: Any, wanted: Any, effort: Effort, *more: Any) -> fit.Fit:
        told(effort)
        return ask(fleet, policy, wanted, effort, *more)

    monkeypatch.setattr(fit, "fit", asking)


def test_the_command_gives_each_its_share(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []
    counted(monkeypatch, lambda effort: left.append(effort.left()))
    began = SystemClock().monotonic()
    assert run(*asked(files, *FLAVOURS)).code == 0
    took = SystemClock().monotonic() - began
    for given, share in zip(left, (20 / 3, 20 / 2, 20 / 1), strict=True):
        assert share - took <= given <= share


def test_an_interrupt_ends_each_with_what_it_has(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over: list[bool] = []

    def once(effort: Effort) -> None:
        over.append(effort.over())
        if len(over) == 2:
            signal.raise_signal(signal.SIGINT)

    counted(monkeypatch, once)
    outcome = run(*asked(files, *FLAVOURS, "--survive", "1", "--json"))
    assert (outcome.code, over) == (130, [False, False, True])
    assert "interrupted: ending with the best so far" in outcome.err
    tried = [one["fit"]["survive"]["tried"] for one in outcome.json["flavours"]]
    assert tried == [4, 0, 0]


def test_it_has_a_report(files: Path, tmp_path: Path) -> None:
    for ending in ("html", "svg"):
        run(*asked(files, *FLAVOURS, "--survive", "1", "--report", str(tmp_path / f"r.{ending}")))
        text = (tmp_path / f"r.{ending}").read_text()
        assert all(text.count(size) >= 2 for size in SIZES)
        assert "How many more of each flavour fit" in text
    assert "2 of 3 flavours still fit" in (tmp_path / "r.html").read_text()


ABOUT = About("f", "sha256:0", "p", "sha256:1")


def answer(value: int, bound: int, capped: bool = False, survive: SurvivalFacts | None = None) -> FitFacts:
    stops = tuple(
        Reason(("needs",) if what else ("allowed",), what, None, 2, 1, "h0", text)
        for what, text in (("memory_mib", "m"), ("a|b", "t"), ("", "x"), ("disk_mib", "d"))
    )
    status = "proven" if value == bound and not capped else "gap"
    pools = (PoolFacts("all hosts", 3, value, 2),)
    return FitFacts("fit", ABOUT, "group of 2", {}, value, bound, status, capped, "", pools, stops, "", {}, (), survive)


def page(*answers: FitFacts, width: int = 200) -> str:
    import io

    out = io.StringIO()
    facts = tuple(FlavourFacts(f"size{i}", one) for i, one in enumerate(answers))
    write_page(flavours_page(FlavoursFacts("flavours", ABOUT, facts)), out, terminal=False)
    return " ".join(out.getvalue().split())


def survival(tried: int, checked: int, broken: dict[str, int]) -> SurvivalFacts:
    return SurvivalFacts(2, 5, 7, "gap", {}, 6, tried, checked, "", broken)


def test_the_page_says_what_is_not_known() -> None:
    one = answer(9, 12, survive=survival(6, 4, {"h0+h1": 3}))
    said = page(one, answer(4, 4, capped=True, survive=survival(5, 0, {})))
    assert "groups of 2 more N+2 what stops" in said
    assert (
        "size0 9 (at most 12) 5 (at most 7) memory (2 hosts), needs of a|b (2 hosts), allowed (2 hosts) and 1" in said
    )
    assert "size1 4 (no more counted) - memory" in said
    assert "of each 6 losses packed, at least 4 held against every rule: accepted" in said
    assert "not all restart after the loss of h0+h1 (3)" in said
    assert "5 of 6 losses were packed in time: no number is shown" in said
    assert "2 violations now" in said
    assert "not all proven: more time may find more" in said


def test_the_page_is_plain_where_all_is_known() -> None:
    assert "not all proven" not in page(answer(4, 4), answer(0, 0))
    assert "1 of 2 flavours still fit" in page(answer(4, 4), answer(0, 0))
    assert "N+" not in page(answer(4, 4))
    assert "6 sets of hosts are too many to pack" in page(answer(4, 4, survive=survival(0, 0, {})))
