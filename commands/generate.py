"""`remora generate`: a seeded, realistic fleet, with planted problems of which the cure is known."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import NewFile, json_option, say_text, tell_fleet_written, write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


class _Generate(click.Command):
    """Its options are the fields of `Spec`: read when they are needed, so that the two never drift apart."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Add an option for each field."""
        return [*_spec_options(), *super().get_params(ctx)]


def _spec_options() -> list[click.Parameter]:
    from optimizer.report.docstrings import parameter_docs
    from optimizer.sources.synthetic import Spec

    docs = parameter_docs(Spec)
    return [_option(field.name, field.default, docs.get(field.name, "")) for field in fields(Spec)]


def _option(name: str, default: Any, doc: str) -> click.Option:
    flag = "--" + name.replace("_", "-")
    text = doc.replace("`", "").replace("*", "")
    if isinstance(default, bool):
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=default, show_default=True, help=text)
    return click.Option([flag], type=type(default), default=default, show_default=True, help=text)


@click.command("generate", cls=_Generate)
@click.option("-o", "--output", type=NewFile(), metavar="FLEET", help="Where to; standard output by default.")
@json_option
def command(output: Path | None, as_json: bool, **spec: Any) -> Exit:
    """Generate a fleet: the same options make the same document, byte for byte.

    Problems are shares of the hosts (see each); what was planted, and the least number of moves that repairs it,
    stands in the document under x_planted.
    """
    from optimizer.sources.files import json_bytes
    from optimizer.sources.synthetic import Spec, generate

    document = generate(Spec(**spec))
    if output is None:
        say_text(json_bytes(document).decode("utf-8"))
    else:
        write_json(output, document)
        tell_fleet_written(output, document["fleet"], len(document["hosts"]), len(document["vms"]), as_json)
    return Exit.DONE
