"""`remora status` and `remora ledger` of a ledger in which nothing happened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger
from tests.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

LEDGER = ("--ledger", "book.sqlite")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_ledger("book.sqlite").close()


@pytest.mark.parametrize("words", [("status",), ("status", "--watch"), ("ledger", "runs")])
def test_an_empty_ledger_says_that_nothing_was_carried_out(words: tuple[str, ...]) -> None:
    assert run(*words, *LEDGER).out == "no plan was carried out yet\n"
    assert run("status", *LEDGER, "--json").json == []


def test_an_empty_ledger_says_that_there_are_no_events() -> None:
    assert run("ledger", "events", *LEDGER).out == "no events\n"


def test_a_stop_of_every_fleet_is_seen_before_the_first_one() -> None:
    assert run("stop", "--reason", "a storm", "--by", "ann", *LEDGER).code == 0
    stopped = "every fleet: STOPPED by ann: a storm (`remora resume` lifts it)\n"
    assert run("status", *LEDGER).out == f"{stopped}no plan was carried out yet\n"
    run("stop", "--reason", "a storm", "--by", "ann", "--fleet", "office", *LEDGER)
    assert run("status", *LEDGER).out == (
        "office: STOPPED by ann: a storm (`remora resume` lifts it)\noffice: no plan was carried out yet\n"
    )


def test_a_stop_of_every_fleet_is_an_entry_for_machines() -> None:
    """Its fleet is empty, as that of no fleet can be; all else is as it is of a fleet in which nothing happened."""
    run("stop", "--reason", "a storm", "--by", "ann", *LEDGER)
    (every,) = run("status", *LEDGER, "--json").json
    assert (every["fleet"], every["run"], every["stop"]["by"], every["stop"]["reason"]) == ("", None, "ann", "a storm")
    run("stop", "--reason", "a flood", "--by", "ben", "--fleet", "office", *LEDGER)
    found = run("status", *LEDGER, "--json").json
    assert [(one["fleet"], one["stop"]["reason"]) for one in found] == [("", "a storm"), ("office", "a flood")]
    assert found[0].keys() == found[1].keys() == every.keys()
    assert [one["fleet"] for one in run("status", *LEDGER, "--fleet", "office", "--json").json] == ["office"]
    run("resume", "--reason", "over", "--by", "ann", *LEDGER)
    assert [one["fleet"] for one in run("status", *LEDGER, "--json").json] == ["office"]


def test_a_stop_file_of_which_the_ledger_knows_nothing_is_shown() -> None:
    """The button was pressed before there was a ledger, or where it could not be written."""
    assert run("stop", "--reason", "a storm", "--by", "ann", "--ledger", "new.sqlite").code == 1
    ledger = ("--ledger", "new.sqlite")
    stopped = "every fleet: STOPPED by the file new.sqlite.stop: ann: a storm (`remora resume` lifts it)\n"
    before = run("status", *ledger)
    assert (before.code, before.err) == (0, "remora: there is no ledger new.sqlite yet\n")
    assert before.out.startswith(stopped)
    assert [one["fleet"] for one in run("status", *ledger, "--json").json] == [""]
    open_ledger("new.sqlite").close()
    assert run("status", *ledger).out == f"{stopped}no plan was carried out yet\n"
    run("limit", "5", "--reason", "x", *ledger)
    (every,) = run("status", *ledger, "--json").json
    assert (every["fleet"], every["stop"]["value"], every["stop"]["reason"]) == ("", "file", "ann: a storm")
    run("stop", "--fleet", "office", "--reason", "x", *ledger)
    still = run("resume", "--fleet", "office", "--reason", "x", *ledger)
    assert still.code == 1
    assert "still stopped with every fleet by the file new.sqlite.stop: ann: a storm" in still.out
    for words in ((), ("--fleet", "office")):
        assert run("status", *words, *ledger).out.startswith(stopped.replace("every fleet", "office"))
    assert "STOPPED" not in run("status", *ledger, "--stop-file", "elsewhere").out
    run("resume", "--reason", "over", *ledger)
    assert [one["stop"] for one in run("status", *ledger, "--json").json] == [None]
