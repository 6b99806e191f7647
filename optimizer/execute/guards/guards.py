"""The guards of a policy, made ready: secrets read, addresses known, nothing asked yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.guards.gates import PolicyGates
from optimizer.execute.guards.hooks import PolicyHooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.clock import Clock
    from optimizer.execute.guards.gates import Ask, Asker
    from optimizer.execute.guards.hooks import Caller
    from optimizer.execute.guards.prometheus import Secret
    from optimizer.execution import Prometheus
    from optimizer.policy import Policy

__all__ = ["NO_GUARDS", "Guards", "has_guards", "open_guards"]

SECRET_LIMIT = 65536


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
        A secret is not there, no address of a Prometheus is known, or its package is not installed.
    """
    asked, clock = policy.execution, clock or SystemClock()
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
    address = url or asked.url
    if not address:
        hint = "or name it with --prometheus, or in REMORA_PROMETHEUS"
        raise InputError(where, "execution.prometheus.url", "", "the address of the Prometheus that gates query", hint)
    try:
        from optimizer.execute.guards.prometheus import Query, Secret
    except ImportError as error:
        hint = "pip install 'remora[prometheus]'"
        raise InputError(where, "execution.gates", str(error), "the package prometheus-api-client", hint) from error
    secret = _secret(where, asked, environ, Secret)
    return partial(Query, url=address.rstrip("/"), secret=secret, clock=clock)


def _secret(where: str, asked: Prometheus, environ: Mapping[str, str], kind: type[Secret]) -> Secret:
    """Read the secret from where the policy says that it is; no message has it."""
    named = {
        "token_env": asked.token_env,
        "token_file": asked.token_file,
        "password_env": asked.password_env,
        "password_file": asked.password_file,
    }
    field_, name = next(((f, n) for f, n in named.items() if n), ("", ""))
    if not name:
        return kind()
    path = f"execution.prometheus.{field_}"
    if field_.endswith("_env"):
        value = environ.get(name, "")
        expected = "the name of an environment variable that is set"
    else:
        try:
            with Path(name).open(encoding="utf-8") as file:
                value = file.read(SECRET_LIMIT).strip()
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "not UTF-8"
            raise InputError(where, path, name, "a file that can be read", problem) from error
        expected = "a file with the secret in it"
    if not value or not value.isprintable() or not (value.isascii() or asked.username):
        raise InputError(where, path, name, expected, "the secret has to be one line, a token in ASCII")
    return kind(value, asked.username)
