"""`remora schema`: what the documents may hold."""

from __future__ import annotations

import click

from commands.boundary import Exit
from commands.common import say_json

__all__ = ["command"]


@click.command("schema")
@click.argument("document", type=click.Choice(["fleet", "policy", "plan"]))
@click.option("--json", "as_json", is_flag=True, help="It is JSON in any case.")
def command(document: str, as_json: bool) -> Exit:
    """Print the JSON Schema of a document."""
    del as_json  # taken so that every command takes it
    if document == "policy":
        from constraints import CATALOGUE
        from optimizer.sources.policy_yaml import policy_schema

        say_json(policy_schema(CATALOGUE))
        return Exit.DONE
    from optimizer.sources.schema import fleet_schema, plan_schema

    say_json(fleet_schema() if document == "fleet" else plan_schema())
    return Exit.DONE
