"""What the house asks of its files: how long they may be, that none import each other in a circle, and how few may ask
an atom or a monitor what it is. That no room imports one above it is proven by `lint-imports`.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import networkx as nx
import pytest

from optimizer.problem import atoms
from optimizer.reachability import instance_monitor
from tests.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MOST_LINES = 400
MOST_FILES = 6
PROGRAM = ("benchmarks", "commands", "constraints", "optimizer", "remora")
MONITORS = ("InstanceMonitor", "Occupancy", "Pair", "Sum", "Together")
KINDS = {name for name in atoms.__all__ if hasattr(getattr(atoms, name), "shape")} | set(MONITORS)


def files(*rooms: str) -> Iterator[Path]:
    yield from ROOT.glob("*.py")
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))
        yield from sorted((ROOT / room).rglob("*.sh"))


def kinds_asked(text: str) -> set[str]:
    """Return the atoms and monitors that a program tells apart by `isinstance`, `match` or `type(...) is`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            found |= _names(node.args[1])
        elif isinstance(node, ast.MatchClass):
            found |= _names(node.cls)
        elif isinstance(node, ast.Compare) and _is_type(node.left):
            found |= {name for right in node.comparators for name in _names(right)}
    return found & KINDS


def _names(node: ast.AST) -> set[str]:
    named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return named | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def _is_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def test_no_file_is_long() -> None:
    lengths = {
        p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in files(*PROGRAM, "tests", "tools")
    }
    assert len(lengths) > 500
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_each_room_says_what_may_not_enter() -> None:
    rooms = [p for p in (ROOT / "optimizer").iterdir() if (p / "__init__.py").exists()]
    rooms += [ROOT / name for name in PROGRAM if name != "optimizer"]
    said = {room: ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "" for room in rooms}
    assert len(said) > 25
    assert [room.name for room, text in said.items() if not re.search(r"May not enter: \w+", text)] == []
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [room.name for room in rooms if f"`{room.relative_to(ROOT).as_posix()}/`" not in table] == []


def imported(text: str, known: Collection[str]) -> set[str]:
    """Return which of the known modules a program imports: where it is loaded, when it runs, or for its types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(known)


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {
        p.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): p
        for p in files(*PROGRAM)
        if p.suffix == ".py"
    }
    arrows = [(name, other) for name, p in modules.items() for other in imported(p.read_text(), modules)]
    assert len(arrows) > 2000
    graph = nx.DiGraph((name, other) for name, other in arrows if name != other)
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b, c", {"a.b", "a"}),
        ("if TYPE_CHECKING:\n    from a.b import C", {"a.b"}),
        ("def f():\n    from a import b", {"a.b"}),
        ("import json", set()),
    ],
)
def test_each_way_to_import_is_seen(text: str, names: set[str]) -> None:
    assert imported(text, {"a", "a.b"}) == names


def test_the_monitors_are_those_that_there_are() -> None:
    assert set(MONITORS) <= set(instance_monitor.__all__)
    assert {"Linear", "Needs", "Hinge"} < KINDS


def test_few_files_ask_an_atom_what_it_is() -> None:
    asked = {p.relative_to(ROOT).as_posix(): kinds_asked(p.read_text()) for p in files(*PROGRAM) if p.suffix == ".py"}
    where = {name: kinds for name, kinds in asked.items() if kinds}
    assert 0 < len(where) <= MOST_FILES, where


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("isinstance(x, Linear)", {"Linear"}),
        ("isinstance(x, (AtMost, atoms.Apart, str))", {"AtMost", "Apart"}),
        ("isinstance(x, Sum | Pair)", {"Sum", "Pair"}),
        ("type(x) is Needs", {"Needs"}),
        ("match x:\n  case Same(k=1):\n    pass", {"Same"}),
        ("isinstance(x, str)", set()),
        ("atoms: list[Linear] = [Linear()]", set()),
    ],
)
def test_the_count_sees_each_way_to_ask(text: str, kinds: set[str]) -> None:
    assert kinds_asked(text) == kinds
