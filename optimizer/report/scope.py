"""What a plan was restricted to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.plan import Plan
    from optimizer.scope import Scope

__all__ = ["deferred_line", "scope_line"]

SHOWN = 4
"""Names in a list, at most."""


def scope_line(scope: Scope) -> str:
    """Say on one line what the plan was restricted to; nothing where it was not."""
    parts = [
        f"{verb} {_few(names)}"
        for verb, names in (
            ("drain", scope.drain),
            ("exclude", scope.exclude),
            ("only", scope.only),
            ("from", scope.sources),
            ("to", scope.targets),
        )
        if names
    ]
    if scope.max_moves is not None:
        parts.append(f"at most {count(scope.max_moves, 'move')}")
    if scope.max_gib is not None:
        parts.append(f"at most {scope.max_gib:,} GiB copied")
    return "scope: " + "; ".join(parts) if parts else ""


def deferred_line(plan: Plan) -> str:
    """Say which hosts wait for a later run, and which is begun; nothing where none does."""
    waiting = sorted({r.subject for r in plan.remaining if r.deferred})
    lines = [f"deferred: {count(len(waiting), 'host')} ({_few(waiting)})"] if waiting else []
    limits = dict.fromkeys(r.deferred for r in plan.remaining if r.deferred)
    if waiting:
        lines[0] += f", emptied in later runs: {'; '.join(limits)}"
    if plan.scope.begun:
        lines.append(f"begun, and not emptied by this plan: {_few(plan.scope.begun)}")
    return "; ".join(lines)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
