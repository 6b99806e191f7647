"""Tables in a width: nothing is lost, ids are whole, and lines fit where anything can."""

import io
import random
import re

import pytest

from optimizer.report.layout import HEADER, table_lines, wrapped
from optimizer.report.page import Page, Table
from optimizer.report.render import write_page

UUID = "892f902b-d23f-4824-928b-2f330c5c7fd{:x}"
PROSE = "disk 7.78 TiB of 7.50 TiB allocatable (103.8 %): over by 288.9 GiB; migrate at least that much away"


def lines_of(table, width):
    return [row.line for row in table_lines(table, width)]


def moves(ids, why):
    table = Table(("move", "VM", "from", "to", "~after", ">batch", ">copied", ">takes", ">why"))
    for n, name in enumerate(ids):
        table.add(f"m{n:04}", name, "hv03.fra1.example.net", "hv17.fra1.example.net", "-", 1, "3.1 GiB", "41 s", why)
    return table


def test_what_fits_stands_side_by_side():
    assert lines_of(moves(["v1"], 1), 100) == [
        "  move   VM  from                   to                     after  batch   copied  takes  why",
        "  m0000  v1  hv03.fra1.example.net  hv17.fra1.example.net  -          1  3.1 GiB   41 s    1",
    ]


def test_long_ids_are_stacked_and_whole():
    table = moves([UUID.format(n) for n in range(3)], 1)
    printed = lines_of(table, 80)
    assert max(map(len, printed)) <= 80
    for n in range(3):
        assert sum(UUID.format(n) in line for line in printed) == 1


def test_one_text_is_wrapped_in_its_column():
    table = Table(("rule", "subject", "~why"))
    table.add("capacity", "h23", PROSE)
    assert lines_of(table, 80) == [
        "  rule      subject  why",
        "  capacity  h23      disk 7.78 TiB of 7.50 TiB allocatable (103.8 %): over by",
        "                     288.9 GiB; migrate at least that much away",
    ]


def test_a_text_without_room_stands_below_its_row():
    table = Table(("rule", "subject", "~why"))
    table.add("capacity", UUID.format(1), PROSE)
    assert lines_of(table, 70) == [
        "  rule      subject",
        f"  capacity  {UUID.format(1)}",
        "    why: disk 7.78 TiB of 7.50 TiB allocatable (103.8 %): over by",
        "      288.9 GiB; migrate at least that much away",
    ]


def test_spare_columns_are_left_out_first():
    table = Table(("rule", "subject", "?>value", "?>limit", "~why"))
    table.add("capacity", "h23", "7.78 TiB", "7.50 TiB", PROSE)
    assert "value" in lines_of(table, 200)[0]
    assert "value" not in lines_of(table, 64)[0]


def test_notes_that_neighbours_share_are_printed_once():
    table = Table(("rule", "subject"))
    for subject, note in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "one")):
        table.add("r", subject, below=[note])
    printed = [line.strip() for line in lines_of(table, 80)[1:]]
    assert printed == ["r     a", "r     b", "one", "r     c", "two", "r     d", "one"]


def random_table(rng):
    columns = rng.randint(1, 9)
    marks = ["", ">", "~", "?>"]
    headers = tuple(rng.choice(marks) + f"col{c}" for c in range(columns))
    table = Table(headers)
    for _ in range(rng.randint(1, 6)):
        cells = []
        for header in headers:
            words = rng.randint(1, 12) if header.startswith("~") else 1
            cells.append(" ".join("x" * rng.randint(1, 24) + f"{rng.randint(0, 9999):04}" for _ in range(words)))
        table.add(*cells, below=[f"note {rng.randint(0, 1)}"] if rng.random() < 0.3 else [])
    return table


@pytest.mark.parametrize("seed", range(60))
def test_every_word_of_every_kept_column_is_printed_whole(seed):
    rng = random.Random(seed)
    table, width = random_table(rng), rng.choice([40, 64, 80, 100, 132])
    rows = list(table_lines(table, width))
    for r, row in enumerate(table.rows):
        printed = " ".join(line.line for line in rows if line.row == r).split()
        for header, cell in zip(table.headers, row, strict=True):
            if not header.startswith("?"):
                assert set(cell.split()) <= set(printed)
    for line in rows:
        # a line may only be longer than the width where it holds a single cell or word that is
        assert len(line.line) <= width or len(line.line.split()) <= 2 or line.row == HEADER
    assert not any(line.line != line.line.rstrip() for line in rows)


def test_lines_of_text_are_wrapped_between_words():
    assert wrapped("a " + UUID.format(1) + " b", 20) == ["a", "  " + UUID.format(1), "  b"]
    assert wrapped("  short", 20) == ["  short"]
    assert wrapped("x" * 50, None) == ["x" * 50]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [80, 100])
def test_a_page_fits(terminal, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    page = Page()
    page.heading("Moves: 3")
    page.table(moves([UUID.format(n) for n in range(3)], "hop 2"))
    page.line("why 1: " + PROSE)
    out = io.StringIO()
    write_page(page, out, terminal=terminal)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert max(map(len, plain.split("\n"))) <= width
    assert all(UUID.format(n) in plain for n in range(3))


def test_eighty_columns_where_nobody_says_how_wide(monkeypatch):
    monkeypatch.delenv("COLUMNS")
    page = Page()
    page.line(PROSE)
    out = io.StringIO()
    write_page(page, out, terminal=False)
    assert max(map(len, out.getvalue().split("\n"))) <= 80
