"""The names that the switches of a plan are given: files of names read, every name known to mean something.

A name is an id, ``LEVEL:ID`` for hosts, or a glob; ``@FILE`` stands for the names in a file, one a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.fleet.selection import matching, named_hosts, named_vms
from optimizer.problem.amounts import short_names
from optimizer.scope import KeptRoom, Scope
from optimizer.similar import similar, similar_or_some
from optimizer.sources.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.fleet import Fleet

__all__ = [
    "expanded",
    "host_words",
    "only_words",
    "resource_words",
    "scope_document",
    "scope_from_document",
    "vm_words",
]

FIELDS = {name: name for name in ("drain", "exclude", "only", "begun", "undo", "balance")} | {
    "from": "sources",
    "to": "targets",
}
"""Lists of names: their field in the document, and in `Scope`."""


def expanded(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words with ``@FILE`` replaced by the names in the file, each once; blank lines and ``#`` are skipped.

    Raises
    ------
    InputError
        If a file cannot be read, is no text, or has no name in it: what is left out by mistake is not "nothing".
    """
    return tuple(dict.fromkeys(name for word in words for name in _names(word)))


def _names(word: str) -> list[str]:
    if not word.startswith("@"):
        return [word]
    raw = read_bytes(Path(word[1:]))
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(word[1:], "", "bytes that are no text", "a file of names, one a line, in UTF-8") from error
    found = [name for line in lines if (name := line.strip()) and not name.startswith("#")]
    if not found:
        raise InputError(word[1:], "", "no name", "a file with at least one name, one a line")
    return found


def _unknown(where: str, option: str, name: str, expected: str, hint: str) -> InputError:
    """Return the error about a name in an option of the command line or, with `where`, in a field of that file."""
    return InputError(where, option, name, expected, hint) if where else InputError(option, "", name, expected, hint)


def host_words(option: str, words: Iterable[str], fleet: Fleet, where: str = "") -> tuple[str, ...]:
    """Return the names of hosts, each known to mean at least one.

    Raises
    ------
    InputError
        If one means no host.
    """
    names = expanded(words)
    for name in names:
        if not named_hosts(fleet, name):
            raise _unknown(where, option, name, f"a host of fleet {fleet.id}, or LEVEL:ID", _near_host(name, fleet))
    return names


def resource_words(option: str, words: Iterable[str], fleet: Fleet) -> tuple[str, ...]:
    """Return names of resources, each known to the fleet, if in short; a word may hold several, with commas between.

    Raises
    ------
    InputError
        If the fleet does not know one.
    """
    short, found = short_names(fleet.resource_index), dict[str, None]()
    for name in (name.strip() for word in expanded(words) for name in word.split(",") if name.strip()):
        resource = name if name in fleet.resource_index else short.get(name.lower())
        if resource is None:
            hint = similar(name.lower(), short) or similar_or_some(name, fleet.resource_index)
            raise _unknown("", option, name, f"a resource of fleet {fleet.id}", hint)
        found[resource] = None
    return tuple(found)


def vm_words(option: str, words: Iterable[str], fleet: Fleet, where: str = "") -> tuple[str, ...]:
    """Return the names of VMs, each known to mean at least one.

    Raises
    ------
    InputError
        If one means no VM.
    """
    names = expanded(words)
    for name in names:
        if not named_vms(fleet, name):
            raise _unknown(where, option, name, f"a VM of fleet {fleet.id}", similar_or_some(name, fleet.vms.ids))
    return names


def only_words(
    option: str, words: Iterable[str], fleet: Fleet, rules: Sequence[str], groups: Sequence[str]
) -> tuple[str, ...]:
    """Return what should be fixed, each as ``rule:``, ``group:``, ``host:`` or ``LEVEL:`` and its name.

    Parameters
    ----------
    rules, groups
        The names that there are.

    Raises
    ------
    InputError
        If a name means nothing, or things of two kinds.
    """
    return tuple(dict.fromkeys(_only(option, name, fleet, rules, groups) for name in expanded(words)))


def _only(option: str, name: str, fleet: Fleet, rules: Sequence[str], groups: Sequence[str]) -> str:
    kind, colon, rest = name.partition(":")
    known = {"rule": rules, "group": groups}
    found = [f"{k}:{name}" for k, names in known.items() if matching(name, names)]
    if named_hosts(fleet, name):
        found.append(name if name not in fleet.host_index and colon else f"host:{name}")
    if not found and kind in known and matching(rest, known[kind]):
        return name
    if len(found) == 1:
        return found[0]
    if found:
        raise _unknown("", option, name, "one thing to fix", f"say which: {', '.join(found)}")
    if kind in known:
        hint = similar_or_some(name, (f"{kind}:{one}" for one in known[kind]))
    else:
        hint = similar(name, [*rules, *groups]) or similar(name, fleet.hosts.ids)
        hint = hint or similar_or_some(name, [*(f"group:{g}" for g in groups), *(f"rule:{r}" for r in rules)])
    raise _unknown("", option, name, "a rule of the policy, a group, a host or LEVEL:ID", hint)


def _near_host(name: str, fleet: Fleet) -> str:
    level, colon, _ = name.partition(":")
    if colon and level in fleet.level_index:
        return similar_or_some(name, (f"{level}:{domain}" for domain in fleet.domain_ids[fleet.level_index[level]]))
    if colon and not similar(name, fleet.hosts.ids):
        return f"of levels, {similar_or_some(level, fleet.levels)}"
    return similar_or_some(name, fleet.hosts.ids)


# -- in a plan -------------------------------------------------------------------------------------------------------


def scope_document(scope: Scope) -> dict[str, Any]:
    """Return a scope as a plan says it; what is not restricted is left out."""
    names = {field: list(words) for field, own in FIELDS.items() if (words := getattr(scope, own))}
    limits = {"max_moves": scope.max_moves, "max_gib": scope.max_gib, "whole": scope.whole or None}
    room = [{"vm": kept.vm, "host": kept.host, "demand": dict(kept.demand)} for kept in scope.room]
    return (
        names
        | {field: limit for field, limit in limits.items() if limit is not None}
        | ({"room": room} if room else {})
    )


def scope_from_document(document: dict[str, Any]) -> Scope:
    """Return the scope that a checked document says."""
    names = {own: tuple(document.get(field, ())) for field, own in FIELDS.items()}
    return Scope(
        **names,
        max_moves=document.get("max_moves"),
        max_gib=document.get("max_gib"),
        whole=document.get("whole", False),
        room=tuple(
            KeptRoom(kept["vm"], kept["host"], tuple(sorted(kept["demand"].items())))
            for kept in document.get("room", ())
        ),
    )
