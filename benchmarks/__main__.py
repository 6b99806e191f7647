"""The command line of the benchmarks: ``python -m benchmarks [CASE ...]``."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import cases
from benchmarks.case import CASES, Missing, Settings
from benchmarks.report import as_document, as_markdown
from benchmarks.runner import Row, run

__all__ = ["main"]

assert cases.__name__  # importing the room has filled CASES


def _epilog() -> str:
    return "\b\nCases:\n" + "\n".join(f"  {case.name:18} {case.about}" for case in CASES.values())


@click.command(epilog=_epilog(), context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[CASE]...", type=click.Choice(list(CASES)))
@click.option("--quick", is_flag=True, help="Small sizes, one run: does it work at all?")
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each command.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of generated fleets and solvers.")
@click.option("--workers", type=click.IntRange(1, 1024), default=2, show_default=True, help="Threads of a solver.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
def main(names: tuple[str, ...], quick: bool, repeat: int, seed: int, workers: int, json_path: Path | None) -> None:
    """Measure `remora` as whole processes and print a table in Markdown; without CASE all of them.

    Each command runs in turn with a fixed reference, several times; the table has medians. Plans are judged by
    `remora verify`. What the numbers mean stands in docs/benchmarks.md. Leaves with 1 if a command failed or a plan
    was refused.
    """
    rows: list[tuple[str, Row]] = []
    with tempfile.TemporaryDirectory(prefix="remora-benchmarks-") as work:
        settings = Settings(Path(work), quick, seed, workers)
        for name in dict.fromkeys(names or CASES):
            try:
                trials = CASES[name].prepare(settings)
            except Missing as missing:
                click.echo(f"{name}: left out: {missing}", err=True)
                continue
            for trial in trials:
                rows.append((name, run(trial, 1 if quick else repeat, lambda text: click.echo(text, err=True))))
    document = as_document(rows, settings, datetime.now(UTC).date().isoformat())
    if json_path:
        json_path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    click.echo(as_markdown(document), nl=False)
    if any(row.verdict not in ("done", "verified") for _, row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
