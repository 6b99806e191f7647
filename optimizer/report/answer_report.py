"""An answer as a report: the page that the terminal shows, with its charts, as one HTML file; or a chart alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.charts.svg import svg
from optimizer.report.html.blocks import sections
from optimizer.report.html.escape import text
from optimizer.report.html.file import html_file
from optimizer.report.html.section import Report, Section
from optimizer.report.page import Line, Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.report.charts.drawing import Drawing
    from optimizer.report.html.section import Figure
    from optimizer.report.page import Page

__all__ = ["answer_report", "chart_parts"]


def answer_report(
    title: str, about: str, page: Page, drawings: Sequence[Drawing], figures: Sequence[Figure] = ()
) -> str:
    """Return the document; the answer is the first line of the page that is good, bad or doubtful, if any."""
    lines = [block for block in page.blocks if isinstance(block, Line) and block.tone is not Tone.QUIET]
    loud = [line for line in lines if line.tone is not Tone.PLAIN]
    first = (loud or lines)[:1]
    answer = (first[0].text, first[0].tone) if first else (title, Tone.PLAIN)
    charts = [Section("As a chart" if len(drawings) == 1 else "As charts", chart_parts(drawings))] if drawings else []
    return html_file(Report(title, about, answer, figures, [*charts, *sections(page, "In words and numbers")]))


def chart_parts(drawings: Sequence[Drawing]) -> list[str]:
    """Return drawings, each below its title."""
    return [f"<figure><figcaption>{text(d.title)}</figcaption>{svg(d)}</figure>" for d in drawings]
