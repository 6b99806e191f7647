"""The ablation of `remora bench`: what each mechanism of the search is worth, and where."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import say_json, say_text, write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ABLATION", "FLEETS", "ablation"]

ABLATION = "ablation"
"""The name that is given in the place of a case."""

FLEETS = 5
"""Fleets of each class, where nobody says how many."""


def ablation(fleets: int, first: int, only: tuple[str, ...], output: Path | None, *, as_json: bool) -> Exit:
    """Plan with each mechanism and without it, and print who is better."""
    from benchmarks.ablation.report import as_document, as_markdown
    from benchmarks.ablation.run import run

    rows = run(range(first, first + fleets), only, lambda text: click.echo(text, err=True))
    document = as_document(rows, datetime.now(UTC).date().isoformat(), fleets)
    if output:
        write_json(output, document)
    if as_json:
        say_json(document)
    else:
        say_text(as_markdown(rows))
    return Exit.DONE if rows else Exit.ATTENTION
