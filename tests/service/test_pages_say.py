"""Every piece of configuration on a page is one that the program reads."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from optimizer.service.sections import check_sections
from optimizer.sources.config_yaml import SECTIONS, config_from_document
from optimizer.sources.safe_yaml import load_yaml
from tests.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCED = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:(?:    .*)?\n)+")
SECTION = re.compile(rf"({'|'.join(SECTIONS)}):")


def pieces() -> Iterator[tuple[str, str]]:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text("utf-8")
        found = [m[1] for m in FENCED.finditer(text)] + [textwrap.dedent(m[0]) for m in INDENTED.finditer(text)]
        for piece in found:
            names = [line for line in piece.splitlines() if line and line[0].isalpha()]
            if names and all(map(SECTION.match, names)):
                yield f"{page.relative_to(ROOT)}: {piece.split()[0]}", piece


@pytest.mark.parametrize("piece", [pytest.param(piece, id=name) for name, piece in pieces()])
def test_the_program_reads_it(piece: str) -> None:
    check_sections(config_from_document(load_yaml(piece.encode(), "page"), "page"))


def test_they_are_found() -> None:
    assert len(list(pieces())) >= 12
