"""The everyday switches of `plan`: what to drain, exclude and fix, and how much may move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.common import Whole
from commands.ledger_options import ledger_option
from commands.path_types import MayBeFile
from commands.undo import undo_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.scope import Scope

__all__ = ["MOST", "add_switches", "scope_of", "under_scope"]

F = TypeVar("F", bound="Callable[..., Any]")
MOST = 10**9
REPEAT = "repeatable, globs and @FILE work."

_SWITCHES = (
    click.option(
        "--drain",
        multiple=True,
        metavar="HOST",
        help=f"Empty this host, or all of LEVEL:ID, such as rack:r12; {REPEAT}",
    ),
    click.option(
        "--undo",
        type=MayBeFile(),
        metavar="PLAN",
        help="Take back what the run of this plan (its id or file) moved, by the ledger.",
    ),
    ledger_option,
    click.option("--exclude", multiple=True, metavar="VM", help=f"Do not move this VM; {REPEAT}"),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        help=f"Fix this rule, group or host; nothing else gets worse; {REPEAT}",
    ),
    click.option("--from", "sources", multiple=True, metavar="HOST", help=f"Move VMs only off this host; {REPEAT}"),
    click.option("--to", "targets", multiple=True, metavar="HOST", help=f"Move VMs only to this host; {REPEAT}"),
    click.option(
        "--balance",
        multiple=True,
        metavar="RESOURCE",
        help="Where nothing is left to repair, even out the use of this resource with the moves that --max-moves "
        "leaves; repeatable, commas work.",
    ),
    click.option("--max-moves", type=Whole(0, MOST), metavar="N", help="Make at most N moves."),
    click.option("--max-gib", type=Whole(0, MOST), metavar="N", help="Copy at most N GiB."),
)


def add_switches(command: F) -> F:
    """Give a command the switches; all that take names repeat, and take globs and @FILE."""
    for option in reversed(_SWITCHES):
        command = option(command)
    return command


def scope_of(fleet: Fleet, policy: Policy, switches: dict[str, Any]) -> Scope:
    """Return what the switches restrict the plan to; every name is known to mean something.

    Raises
    ------
    InputError
        If a name means nothing in this fleet, or a file of names cannot be read.
    """
    from dataclasses import replace

    from constraints.scope import empties_under_limits, group_names
    from optimizer.scope import Scope
    from optimizer.sources.scope_words import host_words, only_words, resource_words, vm_words

    if switches["undo"] and switches["only"]:
        raise click.UsageError("--undo says what to fix: --only cannot", click.get_current_context())
    if switches["balance"] and switches["max_moves"] is None:
        raise click.UsageError(
            "--balance asks how much moves can buy: it needs --max-moves N", click.get_current_context()
        )
    names = [rule.name for rule in policy.rules]
    groups = group_names(policy.rules, fleet) if switches["only"] else []
    scope = Scope(
        drain=host_words("--drain", switches["drain"], fleet),
        exclude=vm_words("--exclude", switches["exclude"], fleet),
        only=only_words("--only", switches["only"], fleet, names, groups),
        sources=host_words("--from", switches["sources"], fleet),
        targets=host_words("--to", switches["targets"], fleet),
        undo=undo_words(switches["undo"], fleet, switches["ledger"]) if switches["undo"] else (),
        balance=resource_words("--balance", switches["balance"], fleet),
        max_moves=switches["max_moves"],
        max_gib=switches["max_gib"],
    )
    return replace(scope, whole=empties_under_limits(policy, fleet, scope))


def under_scope(policy: Policy, fleet: Fleet, scope: Scope) -> Policy:
    """Return the policy under a scope: of the switches, or of a plan that is judged or carried out."""
    from constraints.scope import scoped

    return scoped(policy, fleet, scope)
