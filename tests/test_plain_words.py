"""The words that only this house knew occur nowhere: not in pages, help, messages or docstrings.

What stands for each is in docs/glossary.md. Old names that a document or policy may still hold (aliases) stand in code
marks (`...`) in the pages, and as whole string constants without spaces in the code: both are left out here.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import click
import pytest

from cli import remora
from tests.documents import ROOT, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BANNED = {
    r"puts? (\w+ ){0,3}right": "fixes, repairs",
    r"mend(s|ed|ing|able)?|mender": "fix, repair",
    r"heal(s|ed|ing|er|ers)?": "fix, repair",
    r"knots?": "connected component",
    r"stands? together|stand on one host": "on the same host",
    r"whom": "a plain question",
    r"so many|so much": "a number, N",
    r"what is to be": "say it plainly",
    r"nothing is wrong (by|with)|nothing is wrong,": "No violations (policy X)",
    r"does it with less": "needs fewer",
    r"of all that is random": "Random seed",
    r"hosts touched": "hosts changed",
    r"would have to (leave|go|be displaced)": "Migrate at least ... away",
    r"sold|sellable": "allocated, allocatable",
    r"no VM explains": "not attributed to any VM (host overhead)",
    r"not declared, so": "implicit groups",
    r"stopped by work": "search finished",
    r"own minimum": "connected component's minimum",
    r"seams?": "boundary",
    r"knowing nothing of": "independently",
    r"leaves with \d": "exits with",
    r"let no move start": "Concurrency limits block every remaining move",
    r"computed again": "recomputed",
    r"has to rest|have to rest": "cooling down",
    r"purses?": "budget account",
    r"troubles?": "violation, problem",
    r"staircases?": "greedy trade-off curve",
    r"witness(es)?": "fixed VM",
    r"wish(es|ed)?": "policy",
    r"doers?": "engine",
    r"exiles?": "forbidden host",
    r"where to\.": "Output file.",
    r"circles? of moves": "cyclic dependency",
    r"under way": "migrating, in flight",
    r"way of a fleet": "Quick start",
    r"is it mine": "Check the import",
    r"how large it goes": "Scale",
    r"another file than": "must not be an input",
    r"says the ledger": "(ledger: done)",
}
"""Regular expression (whole words, any case) -> what to say instead."""

SOLVER_PAGES = {"solver.md", "architecture.md", "partition.md", "roadef.md"}
"""Pages about the solver, where the words of proofs may stand."""

OF_SOLVER = {r"own minimum", r"seams?"}

CODE = ("optimizer", "constraints", "benchmarks", "commands")

PATTERN = {re.compile(rf"(?<![\w-])({old})(?![\w-])", re.IGNORECASE): old for old in BANNED}


def found(text: str, but: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Return each banned word of a text, with what to say instead."""
    return [
        f"{m[0]!r} (say: {BANNED[old]}) in {text[max(0, m.start() - 30) : m.end() + 30]!r}"
        for pattern, old in PATTERN.items()
        if old not in but
        for m in pattern.finditer(text)
    ]


def prose(text: str) -> str:
    """Return a page without its code marks, so that names of documents may stand."""
    return re.sub(r"`[^`\n]+`", "`", " ".join(text.split("\n"))) if "```" not in text else _without_marks(text)


def _without_marks(text: str) -> str:
    blocks = re.split(r"^ *```.*$", text, flags=re.MULTILINE)
    return "\n".join(re.sub(r"`[^`]+`", "`", b) if n % 2 == 0 else b for n, b in enumerate(blocks))


@pytest.mark.parametrize("page", [p for p in pages() if p.name != "glossary.md"], ids=lambda p: p.name)
def test_no_page_has_a_word_of_the_house(page: Path) -> None:
    but = OF_SOLVER if page.name in SOLVER_PAGES else set()
    assert found(prose(page.read_text("utf-8")), but) == []


def commands(group: click.Command, path: str = "remora") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its path."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group, info_name=path)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, f"{path} {name}")


def test_no_help_has_a_word_of_the_house() -> None:
    helps = {path: command.get_help(click.Context(command, info_name=path)) for path, command in commands(remora)}
    assert len(helps) > 10
    assert {path: found(" ".join(text.split())) for path, text in helps.items() if found(" ".join(text.split()))} == {}


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every string of a module that has a space: messages and docstrings, f-strings by their parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, re.sub(r"`[^`]+`", "`", node.value)


@pytest.mark.slow
@pytest.mark.parametrize("room", CODE)
def test_no_message_or_docstring_has_a_word_of_the_house(room: str) -> None:
    bad = {}
    for path in [*sorted((ROOT / room).rglob("*.py")), ROOT / "cli.py"]:
        for line, text in texts(ast.parse(path.read_text("utf-8"))):
            if wrong := found(text, OF_SOLVER):
                bad[f"{path.relative_to(ROOT)}:{line}"] = wrong
    assert bad == {}


def test_the_search_can_find() -> None:
    assert found("One move heals both troubles") != []
    assert found("The plan fixes both problems") == []
    assert prose("the policy `dolphin` was sold") == "the policy ` was sold"
