"""`remora compile`."""

from __future__ import annotations

import pytest

from optimizer.planning import compile_ahead
from optimizer.planning.compile_ahead import Compiled
from tests.command_line import run


@pytest.mark.parametrize(("cache", "code"), [("/var/cache/x", 0), ("", 1)])
def test_what_was_compiled_is_said_and_whether_it_is_kept(
    cache: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Compiled("columns", False, True, 15.4, cache), Compiled("phased", bool(cache), True, 0.1, cache)]
    monkeypatch.setattr(compile_ahead, "compile_ahead", lambda: made)
    came = run("compile")
    assert came.code == code
    if cache:
        assert came.out == "columns: compiled in 15.4 s (/var/cache/x)\nphased: in the cache (/var/cache/x)\n"
    else:
        assert "columns: compiled in 15.4 s, and kept nowhere" in came.out
    assert [one["search"] for one in run("compile", "--json").json] == ["columns", "phased"]
