"""The guards of a policy, made ready: secrets read, addresses known, nothing asked yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.execute.guards.gates import PolicyGates
from optimizer.execute.guards.hooks import PolicyHooks
from optimizer.sources.environment import refuse_unset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.clock import Clock
    from optimizer.execute.guards.gates import Ask, Asker
    from optimizer.execute.guards.hooks import Caller
    from optimizer.execution import Gate, Hook, Prometheus
    from optimizer.policy import Policy

__all__ = ["NO_GUARDS", "Guards", "has_guards", "open_guards"]


@dataclass(frozen=True, slots=True)
class Guards:
    """What asks the gates and what calls the hooks of a run; None where it has none."""

    gates: Asker | None = None
    hooks: Caller | None = None

    @property
    def are_there(self) -> bool:
        """Whether there is anything to ask or to call."""
        return self.gates is not None or self.hooks is not None


NO_GUARDS = Guards()


def has_guards(policy: Policy) -> bool:
    """Whether a policy asks for gates or hooks."""
    asked = policy.execution
    return bool(asked.gates.ask or asked.hooks.before or asked.hooks.after)


def open_guards(policy: Policy, environ: Mapping[str, str], url: str = "", clock: Clock | None = None) -> Guards:
    """Make the guards of a policy ready.

    Parameters
    ----------
    environ
        The environment of this process: secrets may be in it, and programs are given a part of it.
    url
        Where queries go, instead of what the policy says.

    Raises
    ------
    InputError
        A secret is not there, nor is a variable that a program is to be given, no address of a Prometheus is known,
        or its package is not installed.
    """
    asked, clock = policy.execution, clock or SystemClock()
    lists: dict[str, tuple[Gate | Hook, ...]]
    lists = {"gates.ask": asked.gates.ask, "hooks.before": asked.hooks.before, "hooks.after": asked.hooks.after}
    for path, programs in lists.items():
        for number, program in enumerate(programs):
            named = f"execution.{path}[{number}].environment"
            refuse_unset(policy.where or policy.name, named, program.environment, environ)
    rules = {rule.name: rule for rule in policy.judges}
    query = None
    if any(gate.query for gate in asked.gates.ask):
        query = _query(policy.where or policy.name, asked.prometheus, environ, url, clock)
    hooks = asked.hooks
    return Guards(
        PolicyGates(asked.gates.ask, rules, environ, clock, query) if asked.gates.ask else None,
        PolicyHooks(hooks, environ, clock) if hooks.before or hooks.after else None,
    )


def _query(where: str, asked: Prometheus, environ: Mapping[str, str], url: str, clock: Clock) -> Ask:
    from optimizer.execute.guards.prometheus import Query
    from optimizer.prometheus.server import open_server

    return partial(Query, server=open_server(where, "execution.prometheus", asked, environ, url), clock=clock)
