"""The regression check of `remora bench`: compared with the baseline, or the baseline made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import say_json, say_text, tell_written

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.regression.baseline import Baseline

__all__ = ["regression"]


def regression(*, renew: bool, path: Path | None, as_json: bool) -> Exit:
    """Compare the program with a baseline (without `path`, that of the sources), or make it anew."""
    from benchmarks.regression.baseline import BASELINE, read_baseline

    if renew:
        return _renew(path or BASELINE, as_json)
    return _check(read_baseline(path or BASELINE), as_json)


def _check(baseline: Baseline, as_json: bool) -> Exit:
    from benchmarks.regression import check
    from benchmarks.regression.baseline import machine

    rows = check.check(baseline, _tell)
    failed = [row.name for row in rows if row.failed]
    if as_json:
        say_json({"failed": failed, "rows": check.as_documents(rows)})
    else:
        say_text(check.as_table(rows))
    if not failed:
        return Exit.DONE
    if baseline.machine != machine():
        _tell(f"the baseline is of {baseline.machine}; this is {machine()}")
    _tell(f"slower or worse than the baseline: {'; '.join(failed)}")
    _tell("if that is meant: remora bench --renew, and commit the file that it writes")
    return Exit.ATTENTION


def _renew(path: Path, as_json: bool) -> Exit:
    from benchmarks.regression import check
    from benchmarks.regression.baseline import write_baseline

    try:
        made = check.renew(_tell)
    except check.Blurred as blurred:
        _tell(f"no baseline was written, too much else is going on here: {blurred}")
        return Exit.ATTENTION
    write_baseline(path, made)
    tell_written(path, "the baseline; commit it with what changed it")
    if as_json:
        say_json({"output": str(path)})
    return Exit.DONE


def _tell(text: str) -> None:
    click.echo(text, err=True)
