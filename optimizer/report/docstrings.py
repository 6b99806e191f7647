"""What a class's NumPy docstring says of its parameters: help texts are read where the code is."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parameter_docs"]


def parameter_docs(rule: type) -> dict[str, str]:
    """Collect what the docstrings of a rule and its bases say of each parameter; the rule's own words win."""
    out: dict[str, str] = {}
    for cls in reversed(rule.__mro__):
        for names, text in _entries(inspect.cleandoc(cls.__doc__ or "")):
            out.update(dict.fromkeys(names, text))
    return out


def _entries(doc: str) -> Iterator[tuple[list[str], str]]:
    """Yield the entries of a NumPy docstring's section Parameters: names, and their text on one line."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\S[^\n]*\n-{3,}|\Z)", doc, re.DOTALL | re.MULTILINE)
    if section is None:
        return
    for entry in re.split(r"\n(?=\S)", section.group(1)):
        head, _, body = entry.partition("\n")
        yield [name.strip() for name in head.partition(":")[0].split(",")], " ".join(body.replace("``", "`").split())
