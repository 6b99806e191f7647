"""What a plan was restricted to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.words import count
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.plan import Plan, Remaining
    from optimizer.scope import Scope

__all__ = ["deferred_line", "scope_line"]

SHOWN = 4
"""Names in a list, at most."""


def scope_line(scope: Scope) -> str:
    """Say on one line what the plan was restricted to; nothing where it was not."""
    parts = [
        f"{verb} {_few(names)}"
        for verb, names in (
            ("undo", scope.undo),
            ("drain", scope.drain),
            ("exclude", scope.exclude),
            ("only", scope.only),
            ("from", scope.sources),
            ("to", scope.targets),
            ("balance", scope.balance),
        )
        if names
    ]
    if scope.room:
        parts.append(f"room for {_few([f'{kept.vm} on {kept.host}' for kept in scope.room])}")
    if scope.max_moves is not None:
        parts.append(f"at most {count(scope.max_moves, 'move')}")
    if scope.max_gib is not None:
        parts.append(f"at most {scope.max_gib:,} GiB copied")
    return "scope: " + "; ".join(parts) if parts else ""


def deferred_line(plan: Plan) -> str:
    """Say which hosts, and how many other violations, wait for a later run, and which is begun; nothing if none."""
    hosts = [r for r in plan.remaining if r.deferred and r.resource == WAITING]
    others = [r for r in plan.remaining if r.deferred and r.resource != WAITING]
    lines = []
    if hosts:
        names = sorted({r.subject for r in hosts})
        lines.append(f"deferred: {count(len(names), 'host')} ({_few(names)}), emptied in later runs: {_limits(hosts)}")
    if others:
        lines.append(f"deferred: {count(len(others), 'violation')}, for later runs: {_limits(others)}")
    if plan.scope.begun:
        lines.append(f"begun, and not emptied by this plan: {_few(plan.scope.begun)}")
    return "; ".join(lines)


def _limits(waiting: Sequence[Remaining]) -> str:
    return "; ".join(dict.fromkeys(r.deferred for r in waiting))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
