"""`remora schema`: what the documents may hold."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import say, say_json

if TYPE_CHECKING:
    from optimizer.sources.shapes import Record

__all__ = ["command"]

FORMS = {
    "fleet": "optimizer.sources.fleet_fields FLEET FLEET_FORMAT",
    "plan": "optimizer.sources.plan_fields PLAN PLAN_FORMAT",
    "overlay": "optimizer.sources.overlay OVERLAY OVERLAY_FORMAT",
    "mapping": "optimizer.sources.csv_table MAPPING MAPPING_FORMAT",
    "request": "optimizer.sources.request REQUEST REQUEST_FORMAT",
    "rates": "optimizer.sources.rates RATES RATES_FORMAT",
    "scenarios": "optimizer.sources.scenario SCENARIOS SCENARIOS_FORMAT",
    "series": "optimizer.signals.interference.documents SERIES SERIES_FORMAT",
    "libvirt": "optimizer.sources.libvirt.hosts HOSTS HOSTS_FORMAT",
    "proxmox": "optimizer.sources.proxmox.place PLACE PLACE_FORMAT",
    "agents": "optimizer.execute.drivers.agents LOCATION FORMAT",
    "command": "optimizer.execute.drivers.command.location LOCATION LOCATION_FORMAT",
    "template": "optimizer.execute.drivers.command.template TEMPLATE TEMPLATE_FORMAT",
}
"""Where the form of each document stands, and its tag: imported when it is asked for."""

WITHOUT_TABLE = {
    "policy": "`remora rules` has the defaults of a policy's rules",
    "config": "the page of the periodic run has them",
}
"""Documents that are judged by dataclasses, and where their defaults are."""

DOCUMENTS = [*FORMS, *WITHOUT_TABLE]


@click.command("schema")
@click.argument("document", type=click.Choice(DOCUMENTS))
@click.option(
    "--defaults", is_flag=True, help="What holds where an optional field is absent; not of policy and config."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (a schema is one in any case).")
def command(document: str, defaults: bool, as_json: bool) -> Exit:
    """Print the JSON Schema of a document, or the defaults of its optional fields."""
    if defaults:
        _say_defaults(document, as_json)
    else:
        say_json(_schema(document))
    return Exit.DONE


def _form(document: str) -> tuple[Record, str]:
    """Return the form of a document, and its tag."""
    module, form, tag = FORMS[document].split()
    found = import_module(module)
    return getattr(found, form), getattr(found, tag)


def _schema(document: str) -> dict[str, Any]:
    if document == "policy":
        from constraints import CATALOGUE
        from optimizer.sources.policy_yaml import policy_schema

        return policy_schema(CATALOGUE)
    if document == "config":
        from optimizer.service.schema import config_schema

        return config_schema()
    from optimizer.sources.schema import schema_of

    return schema_of(*_form(document))


def _say_defaults(document: str, as_json: bool) -> None:
    from optimizer.report.defaults import defaults_page
    from optimizer.sources.schema import defaults_table

    if document in WITHOUT_TABLE:
        said = f"--defaults is not for {document}: {WITHOUT_TABLE[document]}"
        raise click.UsageError(said, click.get_current_context())
    rows = defaults_table(_form(document)[0])
    say(as_json, lambda: [row._asdict() for row in rows], lambda: defaults_page(rows))
