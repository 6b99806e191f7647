"""Parameters that are said once in a policy and hold for every rule that has them, such as overcommit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.problem.rule import Rule

__all__ = ["share_parameters"]


def share_parameters(rules: Sequence[Rule], where: str) -> tuple[Rule, ...]:
    """Give each shared parameter to every rule that has it: a tuple of entries, each about one `resource`.

    Raises
    ------
    InputError
        Two rules say different things of the same resource.
    """
    out = list(rules)
    for name in sorted(frozenset[str]().union(*(_shared(rule) for rule in rules))):
        holders = [i for i, rule in enumerate(rules) if name in _shared(rule)]
        said: dict[str, tuple[int, list[Any]]] = {}
        for i in holders:
            mine: dict[str, list[Any]] = {}
            for entry in getattr(rules[i], name):
                mine.setdefault(entry.resource, []).append(entry)
            for resource, entries in mine.items():
                first, others = said.setdefault(resource, (i, entries))
                if others != entries:
                    raise InputError(
                        where,
                        f"rules[{i}].{name}",
                        resource,
                        f"the same as rules[{first}] ({rules[first].name}) says of {resource}",
                        f"say {name} once, in one rule: it holds for all",
                    )
        everything = tuple(entry for _, entries in said.values() for entry in entries)
        for i in holders:
            out[i] = dataclasses.replace(out[i], **{name: everything})  # type: ignore[type-var]
    return tuple(out)


def _shared(rule: Rule) -> frozenset[str]:
    return getattr(rule, "shared", frozenset())
