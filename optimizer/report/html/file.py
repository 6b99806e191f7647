"""The file around a report: no request is possible, and nothing else is needed."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from optimizer.report.charts.paints import paint_rules, variables
from optimizer.report.html.escape import data, text
from optimizer.report.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.report.html.section import Figure, Report

__all__ = ["html_file"]

LONGEST = 40
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def html_file(report: Report) -> str:
    """Return the whole file."""
    words, tone = report.answer
    body = [
        "<header>",
        f"<h1>{text(report.title)}</h1>",
        f'<p class="quiet">{text(report.about)}</p>',
        f'<p class="answer {tone.value}">{text(words)}</p>',
        *_figures(report),
        "</header>",
        *_contents(report),
        "<main>",
        *_sections(report),
        "</main>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(report.title)}</title><style>{variables()}{_file('report.css')}{paint_rules()}</style></head>\n"
        "<body>\n" + "\n".join(body) + "\n" + _script(report) + "</body></html>\n"
    )


def _file(name: str) -> str:
    return (files("optimizer.report.html") / name).read_text("utf-8")


def _script(report: Report) -> str:
    if not report.kept:
        return ""
    return (
        f'<script type="application/json" id="kept">{data(report.kept)}</script><script>{_file("report.js")}</script>'
    )


def _figures(report: Report) -> Iterator[str]:
    if report.figures:
        yield '<dl class="figures">'
        yield from map(_figure, report.figures)
        yield "</dl>"


def _figure(figure: Figure) -> str:
    note = f"<dd>{text(figure.note)}</dd>" if figure.note else ""
    return (
        f'<div><dt>{text(figure.name)}</dt><dd class="value {figure.tone.value}">{text(figure.value)}</dd>{note}</div>'
    )


def _contents(report: Report) -> Iterator[str]:
    if len(report.sections) < 3:
        return
    yield '<nav aria-label="Sections"><ul>'
    named: set[str] = set()
    for number, section in enumerate(report.sections, 1):
        name = shortened(section.title.partition(": ")[0], LONGEST)
        if name not in named:
            yield f'<li><a href="#s{number}">{text(name)}</a></li>'
        named.add(name)
    yield "</ul></nav>"


def _sections(report: Report) -> Iterator[str]:
    for number, section in enumerate(report.sections, 1):
        yield f'<section aria-labelledby="s{number}"><h2 id="s{number}">{text(section.title)}</h2>'
        yield from section.parts
        yield "</section>"
