"""`remora schema`: what the documents may hold."""

from __future__ import annotations

from typing import Any

import click

from commands.boundary import Exit
from commands.common import say, say_json

__all__ = ["command"]


@click.command("schema")
@click.argument(
    "document",
    type=click.Choice(
        [
            "fleet",
            "policy",
            "plan",
            "overlay",
            "mapping",
            "request",
            "rates",
            "scenarios",
            "series",
            "command",
            "template",
            "proxmox",
            "config",
        ]
    ),
)
@click.option("--defaults", is_flag=True, help="What holds where an optional field is absent (fleet, plan).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (a schema is one in any case).")
def command(document: str, defaults: bool, as_json: bool) -> Exit:
    """Print the JSON Schema of a document, or the defaults of its optional fields."""
    if defaults:
        _say_defaults(document, as_json)
    else:
        say_json(_schema(document))
    return Exit.DONE


def _schema(document: str) -> dict[str, Any]:
    from optimizer.sources import schema

    if document == "policy":
        from constraints import CATALOGUE
        from optimizer.sources.policy_yaml import policy_schema

        return policy_schema(CATALOGUE)
    if document == "config":
        from optimizer.service.schema import config_schema

        return config_schema()
    if document in ("command", "template"):
        from optimizer.execute.drivers.command.location import LOCATION, LOCATION_FORMAT
        from optimizer.execute.drivers.command.template import TEMPLATE, TEMPLATE_FORMAT

        form, tag = (LOCATION, LOCATION_FORMAT) if document == "command" else (TEMPLATE, TEMPLATE_FORMAT)
        return schema.schema_of(form, tag)
    if document == "series":
        from optimizer.signals.interference.documents import SERIES, SERIES_FORMAT

        return schema.schema_of(SERIES, SERIES_FORMAT)
    if document == "proxmox":
        from optimizer.sources.proxmox.place import PLACE, PLACE_FORMAT

        return schema.schema_of(PLACE, PLACE_FORMAT)
    if document == "rates":
        from optimizer.sources.rates import RATES, RATES_FORMAT

        return schema.schema_of(RATES, RATES_FORMAT)
    makers = {
        "fleet": schema.fleet_schema,
        "plan": schema.plan_schema,
        "overlay": schema.overlay_schema,
        "mapping": schema.mapping_schema,
        "request": schema.request_schema,
        "scenarios": schema.scenarios_schema,
    }
    return makers[document]()


def _say_defaults(document: str, as_json: bool) -> None:
    from optimizer.report.defaults import defaults_page, describe_defaults

    rows = describe_defaults(document)
    if not rows:
        hint = "`remora rules` has the defaults of a policy" if document == "policy" else "its fields have none"
        raise click.UsageError(f"--defaults is for fleet and plan: {hint}", click.get_current_context())
    say(as_json, lambda: [row._asdict() for row in rows], lambda: defaults_page(rows))
