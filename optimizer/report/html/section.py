"""What a report is made of, before it is a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optimizer.report.page import Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Figure", "Report", "Section"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is read first: its name, the number, and a note. All three are plain text."""

    name: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Section:
    """A title (plain text), and what stands below it, as HTML."""

    title: str
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its title, what it is about and the answer in plain text, its figures and sections.

    `kept` is what the script reads: see `report.js`.
    """

    title: str
    about: str
    answer: tuple[str, Tone]
    figures: Sequence[Figure]
    sections: Sequence[Section]
    kept: dict[str, Any] = field(default_factory=dict)
