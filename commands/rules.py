"""`remora rules`: which rules there are, and what can be said of each."""

from __future__ import annotations

import click

from commands.boundary import Exit
from commands.common import json_option, say

__all__ = ["command"]


@click.command("rules")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> Exit:
    """List every rule with its parameters, or say all about one."""
    from constraints import CATALOGUE
    from optimizer.report.rules import describe_rules, find_rule, rule_page, rules_page

    facts = describe_rules(CATALOGUE)
    if name is None:
        say(as_json, lambda: facts, lambda: rules_page(facts))
    else:
        one = find_rule(facts, name)
        say(as_json, lambda: one, lambda: rule_page(one))
    return Exit.DONE
