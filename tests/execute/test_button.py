"""The stop file: what is written is known again, cut to what a stop file may hold, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.button import LONGEST, StopFile, stopping

if TYPE_CHECKING:
    from pathlib import Path

REASONS = {
    "words": "ann: maintenance",
    "a bracket": "[INC-1] network",
    "lines": "ann: one\nanother\x1b[0m",
    "long": "ann: " + "ü" * LONGEST,
    "no letter": "ann: \udcff",
}


@pytest.mark.parametrize("name", ["halt", "halt.json", "ledger.stop"])
@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)
def test_what_is_pressed_can_be_pressed_again_read_and_lifted(reason: str, name: str, tmp_path: Path) -> None:
    button = StopFile(tmp_path / name)
    button.press(reason)
    said = (tmp_path / name).read_bytes()
    assert len(said) <= LONGEST and said.count(b"\n") == 1 and said.endswith(b"\n")
    assert button.reason().startswith(f"stopped by the file {tmp_path / name}: {reason[:4]}")
    button.press(reason)
    assert button.lift()
    assert not button.lift()


@pytest.mark.parametrize("text", ["", "back at noon\n", "stopped by ann: [x]"])
def test_what_others_wrote_is_one_where_it_is_empty_or_a_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "halt").write_text(text)
    assert StopFile(tmp_path / "halt").lift()


@pytest.mark.parametrize("text", ["one\ntwo\n", "{}", "stopped by ann\nand more\n", "x" * (LONGEST + 1)])
def test_another_file_stays_as_it_is(text: str, tmp_path: Path) -> None:
    (tmp_path / "halt").write_text(text)
    button = StopFile(tmp_path / "halt")
    for act in (button.lift, lambda: button.press("x")):
        with pytest.raises(InputError):
            act()
    assert (tmp_path / "halt").read_text() == text


def test_the_ledger_is_stopped_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    stopped: list[InputError | None] = []
    for path in (tmp_path / "halt", tmp_path / "none" / "halt", tmp_path / ("x" * 300)):
        with stopping(StopFile(path), "ann: x") as wrong:
            stopped.append(wrong)
    assert [bool(wrong) for wrong in stopped] == [False, True, True]


def test_where_the_ledger_cannot_be_stopped_it_is_said_what_is(tmp_path: Path) -> None:
    with pytest.raises(SafetyStop, match=r"nothing is stopped: .*none/halt.*; the ledger is locked"):  # noqa: SIM117
        with stopping(StopFile(tmp_path / "none" / "halt"), "ann: x"):
            raise SafetyStop("the ledger is locked")
    alone = r"^stopped by the file .*/halt alone; the ledger is locked"
    with pytest.raises(SafetyStop, match=alone), stopping(StopFile(tmp_path / "halt"), "ann: x"):
        raise SafetyStop("the ledger is locked")
    with pytest.raises(SafetyStop, match=r"^the ledger is locked"), stopping(StopFile(None), "ann: x"):
        raise SafetyStop("the ledger is locked")
