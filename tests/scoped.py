"""Plans under switches, as the command makes them: the scope from its names, the plan verified under the same scope."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from constraints.scope import empties_under_limits, scoped
from optimizer.clock import SimulatedClock
from optimizer.pipeline import Request
from optimizer.scope import Scope
from optimizer.scoped_plan import make_scoped_plan
from optimizer.verify.verify import verify

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["NOON", "plan_under", "scope_for", "verdict_under"]

NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


def scope_for(of: Fleet, rules: Policy, **switches: Any) -> Scope:
    """Return a scope of names that are right, with what follows from the fleet."""
    names: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in switches.items()
    }
    scope = Scope(**names)
    return replace(scope, whole=empties_under_limits(rules, of, scope))


def plan_under(of: Fleet, rules: Policy, request: Request | None = None, **switches: Any) -> Plan:
    """Make a plan under switches and have it verified."""
    scope = scope_for(of, rules, **switches)
    request = request or Request(deterministic=True)
    made = make_scoped_plan(of, scope, lambda s: scoped(rules, of, s), request, clock=SimulatedClock(NOON))
    verdict = verdict_under(of, rules, made)
    assert verdict.holds, verdict.findings
    return made


def verdict_under(of: Fleet, rules: Policy, made: Plan) -> Any:
    """Verify a plan under its own scope."""
    return verify(of, scoped(rules, of, made.scope), made)
