import io
import re

from optimizer.report.page import Page, Table, Tone
from optimizer.report.render import plain_lines, write_page

HOSTILE = "\x1b[2J[red]<b>x</b>[/red]\n:boom:"


def page_of(name):
    page = Page()
    page.heading(f"Title {name}")
    page.line(f"line {name}", Tone.BAD)
    table = Table(("name", ">n"))
    table.add(name, 7, tone=Tone.GOOD)
    table.add("longer name than that, by far", 1234)
    page.table(table)
    return page


def written(page, *, terminal):
    out = io.StringIO()
    write_page(page, out, terminal=terminal)
    return out.getvalue()


def test_plain_columns_line_up_and_nothing_trails():
    assert list(plain_lines(page_of("v1"))) == [
        "Title v1",
        "line v1",
        "  name                              n",
        "  v1                                7",
        "  longer name than that, by far  1234",
    ]


def test_a_second_heading_stands_apart():
    page = page_of("v1")
    page.heading("More")
    assert list(plain_lines(page))[-2:] == ["", "More"]


def test_an_empty_table_is_a_line_or_nothing():
    page = Page()
    page.table(Table(("a",)))
    page.table(Table(("a",)), empty="none")
    assert list(plain_lines(page)) == ["none"]


def test_hostile_names_are_inert_in_both_looks():
    for terminal in (False, True):
        text = written(page_of(HOSTILE), terminal=terminal)
        assert "\x1b[2J" not in text
        assert "[red]" in text  # shown, not obeyed
        assert "💥" not in text


def test_rows_for_which_there_is_no_time_are_counted():
    table = Table(("name",))
    for n in range(5):
        table.add(f"v{n}", below=[f"note {n}"])
    page = page_of("v1")
    page.table(table)
    out = io.StringIO()
    write_page(page, out, terminal=False, rows=2)
    assert out.getvalue().splitlines()[5:] == [
        "  name",
        "  v0",
        "    note 0",
        "  v1",
        "    note 1",
        "... and 3 more, not printed for lack of time; `-o` and `--json` have all",
    ]
    assert len(table.rows) == 5


def test_a_long_table_is_cut_on_a_terminal_only():
    page = Page()
    table = Table(("n",))
    for n in range(300):
        table.add(f"row{n}")
    page.table(table)
    assert "row299" in written(page, terminal=False)
    assert "row299" not in written(page, terminal=True)
    assert "100 more rows" in written(page, terminal=True)


def test_a_narrow_terminal_keeps_words_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "64")
    page = Page()
    table = Table(("rule", "", "subject", "where", ">value", ">limit", "why"))
    table.add("capacity", "must", "h1", "memory_mib", "2", "1", "separately standing")
    page.table(table)
    out = io.StringIO()
    write_page(page, out, terminal=True)
    assert "separately" in out.getvalue()
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).split("\n"))) <= 64
