"""`remora bench`: the benchmarks, each command measured as a whole process beside a fixed reference."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from commands.ablation import ABLATION, FLEETS, ablation
from commands.boundary import Exit
from commands.common import (
    NewFile,
    Whole,
    json_option,
    say_json,
    say_text,
    seed_option,
    workers_option,
    write_json,
)
from commands.regression import regression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.case import Case, Settings
    from benchmarks.runner import Row

__all__ = ["command"]

CHECK, RENEW = "check", "renew"

OF_CASES = ("quick", "repeat", "rivals", "instance_limit", "only", "seed", "workers", "output")
"""Options that mean something to cases alone."""


def _cases() -> dict[str, Case]:
    """Return the cases by name; they load when a benchmark is asked for, not with every command."""
    from benchmarks import cases
    from benchmarks.case import CASES

    assert cases.__name__  # importing the room has filled them
    return CASES


class _Bench(click.Command):
    """A command whose help ends with the cases there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the cases."""
        self.epilog = "\b\nCases:\n" + "\n".join(f"  {case.name:18} {case.about}" for case in _cases().values())
        self.epilog += f"\n  {ABLATION:18} what each mechanism of the search is worth (alone; 25 minutes)"
        super().format_epilog(ctx, formatter)


class _CaseName(click.ParamType[str]):
    """The name of a case."""

    name = "case"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is none."""
        return str(click.Choice([*_cases(), ABLATION]).convert(value, param, ctx))


@click.command("bench", cls=_Bench)
@click.argument("names", nargs=-1, metavar="[CASE]...", type=_CaseName())
@click.option("--quick", is_flag=True, help="Small sizes, one run: does it work at all?")
@click.option("--repeat", type=Whole(1, 100), default=3, show_default=True, help="Runs of each command.")
@click.option(
    "--rivals",
    type=Whole(1, 86400),
    default=300,
    show_default=True,
    metavar="S",
    help="Seconds that a rival may take.",
)
@click.option(
    "--instance-limit",
    type=Whole(1, 86400),
    default=60,
    show_default=True,
    metavar="S",
    help="Seconds for an instance of ROADEF.",
)
@click.option("--only", multiple=True, metavar="TEXT", help="Only trials that have this in what the table calls them.")
@seed_option
@workers_option
@click.option("-o", "--output", type=NewFile(), metavar="FIGURES", help="Write the figures there, as JSON.")
@click.option("--check", "guard", flag_value=CHECK, help="Compare with the baseline: slower, or worse, than it was?")
@click.option("--renew", "guard", flag_value=RENEW, help="Measure the baseline anew and write it.")
@click.option("--baseline", type=NewFile(), metavar="FILE", help="Another baseline than the one with the sources.")
@json_option
def command(
    names: tuple[str, ...],
    quick: bool,
    repeat: int,
    rivals: int,
    instance_limit: int,
    only: tuple[str, ...],
    seed: int,
    workers: int,
    output: Path | None,
    guard: str | None,
    baseline: Path | None,
    as_json: bool,
) -> Exit:
    """Measure remora as whole processes and print a table in Markdown; without CASE all of them.

    Each command runs in turn with a fixed reference or a rival, several times; the table has medians. Plans are
    judged by remora verify. Exits with 1 if a command failed, an answer was refused, or nothing could be measured.

    With --check or --renew no case runs: parts of the program are measured in this process beside fixed reference
    work. --check exits with 1 if one got slower or worse by more than noise.

    With ablation in the place of CASE, each mechanism of the search is switched off in turn, on --repeat fleets (5 by
    default) of each class, in deterministic mode; --only names classes or mechanisms.
    """
    if guard or baseline:
        if not guard or names or _given(*OF_CASES):
            raise click.UsageError(
                "--check and --renew, and no others, take --baseline; beside it they take --json and nothing else"
            )
        return regression(renew=guard == RENEW, path=baseline, as_json=as_json)
    if ABLATION in names:
        if names != (ABLATION,) or _given("rivals", "instance_limit", "workers"):
            raise click.UsageError("ablation is run alone; it takes --quick, --repeat, --seed, --only, -o and --json")
        fleets = 2 if quick else repeat if _given("repeat") else FLEETS
        return ablation(fleets, seed, only, output, as_json=as_json)
    from benchmarks.case import Settings
    from benchmarks.report import as_document, as_markdown

    date, rows = datetime.now(UTC).date().isoformat(), []
    with tempfile.TemporaryDirectory(prefix="remora-benchmarks-") as work:
        settings = Settings(Path(work), quick, seed, workers, rivals, instance_limit)
        for name in dict.fromkeys(names or _cases()):
            for row in _rows(name, settings, repeat, only):
                rows.append((name, row))
                if output:  # as it goes: a run takes hours, and what was measured is not to be lost
                    write_json(output, as_document(rows, settings, date))
    document = as_document(rows, settings, date)
    if output:
        write_json(output, document)
    if as_json:
        say_json(document)
    else:
        say_text(as_markdown(document))
    good = bool(rows) and all(row.good for _, row in rows)
    return Exit.DONE if good else Exit.ATTENTION


def _given(*options: str) -> bool:
    """Whether the user gave any of these."""
    return any(click.get_current_context().get_parameter_source(o) != ParameterSource.DEFAULT for o in options)


def _rows(name: str, settings: Settings, repeat: int, only: tuple[str, ...]) -> Iterator[Row]:
    """Yield what the trials of a case come to; nothing where something that it needs is not here, which is said.

    `only`: texts of which the label of a trial has to have one, if any are given.
    """
    from benchmarks.case import Missing
    from benchmarks.runner import run

    def tell(text: str) -> None:
        click.echo(text, err=True)

    try:
        trials = _cases()[name].prepare(settings)
    except Missing as missing:
        tell(f"{name}: left out: {missing}")
        return
    chosen = [t for t in trials if not only or any(text in t.label for text in only)]
    if not chosen:
        asked, labels = (", ".join(map(repr, texts)) for texts in (only, [t.label for t in trials]))
        tell(f"{name}: no trial has {asked} in its name: it has {labels}")
    for trial in chosen:
        yield run(trial, 1 if settings.quick else repeat, tell)
