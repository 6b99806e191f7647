"""What makes an answer doubtful though nothing forbids to give it: said beside the answer, never instead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.caution import Caution
from optimizer.errors import InputError
from optimizer.fleet import Directory
from optimizer.fleet.plausible import implausible
from optimizer.policy import UnknownNames
from optimizer.problem.names import dangling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.names import Named

__all__ = [
    "NOT_COMPILED",
    "PLAN_CODES",
    "cautions",
    "doubts_of",
    "refuse_unknown_names",
    "solver_failed",
    "unknown_names",
]

NOT_COMPILED = Caution(
    "not_compiled",
    "time limit",
    "a search was left out that has to be compiled once, which takes longer than this: run `remora compile` once "
    "(or plan with a time limit of at least 60 seconds), and the plans after that have it",
)
"""Said of a plan for which there was no time to compile what finds better ones."""

SOLVER_FAILED = "solver_failed"

PLAN_CODES = (NOT_COMPILED.code, SOLVER_FAILED)
"""Codes of what is said of how a plan was made, in its `stats.warnings`."""


def cautions(fleet: Fleet, policy: Policy, now: datetime) -> tuple[Caution, ...]:
    """Return all that is doubtful about a fleet and a policy, as seen at `now`."""
    return (*doubts_of(fleet, now), *unknown_names(fleet, policy), *_doubtful(fleet, policy))


def solver_failed(what: str, error: str) -> Caution:
    """Return what is said of a plan for which a solver raised an error in place of an answer.

    Parameters
    ----------
    what
        What it was asked about: ``stage placement``, say, or ``bounds``.
    """
    text = f"CP-SAT failed ({error}), so that the plan may not be the best; what it says holds all the same"
    return Caution(SOLVER_FAILED, what, text)


def doubts_of(fleet: Fleet, now: datetime) -> Iterator[Caution]:
    """Yield what is doubtful about a fleet, whatever the policy."""
    for doubt in implausible(fleet, now):
        yield Caution(doubt.code, doubt.field, doubt.text)


def _doubtful(fleet: Fleet, policy: Policy) -> Iterator[Caution]:
    for i, rule in enumerate(policy.rules):
        for doubt in rule.doubts(fleet):
            yield Caution(doubt.code, f"rules[{i}].{doubt.field}", doubt.text)


def unknown_names(fleet: Fleet, policy: Policy) -> tuple[Caution, ...]:
    """Return the names of a policy that match nothing in the fleet."""
    names, ends = Directory(fleet), ", so it is ignored" if policy.unknown_names is UnknownNames.WARN else ""
    return tuple(Caution("unknown_name", one.path, _unknown(one, names, ends)) for one in dangling(policy.named, names))


def refuse_unknown_names(fleet: Fleet, policy: Policy) -> None:
    """Refuse a policy that names what the fleet does not have, unless it says ``unknown_names: warn``.

    Raises
    ------
    InputError
        With the first such name, where it stands, and what may have been meant.
    """
    if policy.unknown_names is UnknownNames.ERROR:
        names = Directory(fleet)
        for one in dangling(policy.named, names):
            raise _error(policy, one, names)


def _unknown(one: Named, names: Directory, ends: str) -> str:
    hint = names.hint(one.kind, one.name, one.scope)
    expected = names.expected(one.kind, one.scope)
    return f"{one.name!r} is not {expected}{ends}" + (f" ({hint})" if hint else "")


def _error(policy: Policy, one: Named, names: Directory) -> InputError:
    hint = names.hint(one.kind, one.name, one.scope)
    return InputError(policy.where or policy.name, one.path, one.name, names.expected(one.kind, one.scope), hint)
