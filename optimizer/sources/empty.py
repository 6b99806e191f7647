"""Empty lists and mappings of a policy or a configuration: one that says something else than nothing is refused.

``vm_labels: {tier: []}`` means no VM, in silence, and mostly was a mistake of what wrote it. A field may be empty where
that is what it is when left out (``pinned: []``), and where its type says that empty means something (`MAY_BE_EMPTY`).
"""

from __future__ import annotations

import dataclasses
import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from optimizer.errors import InputError
from optimizer.problem.names import MAY_BE_EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["empties", "refuse_empty"]

_UNIONS = (Union, types.UnionType)
_LISTS = (list, tuple, set, frozenset)
_CONTAINERS = (*_LISTS, dict)
_WRITTEN = (list, tuple, dict)
"""What a document has for them."""

_NOTHING = object()


def refuse_empty(of: type, document: dict[str, Any], where: str, path: str) -> None:
    """Refuse the document of an object of class `of` (a dataclass) that has an empty list which selects nothing.

    Raises
    ------
    InputError
        With the path of the first one.
    """
    for at, value in empties(of, document, path):
        name = at.rpartition(".")[2]
        kind = "mapping" if isinstance(value, dict) else "list"
        hint = f"an empty {kind} matches nothing: say what is meant, or leave {name} out"
        raise InputError(where, at, value, "at least one entry", hint)


def empties(of: type, document: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of every list or mapping that is empty and may not be."""
    held = {name: value for name, value in document.items() if isinstance(value, _WRITTEN)}
    if not held:
        return
    hints = get_type_hints(of, include_extras=True)
    defaults = {field.name: _default(field) for field in dataclasses.fields(of)}
    for name, value in held.items():
        at = f"{path}.{name}" if path else name
        if name in defaults and not (_is_empty(value) and _is_empty(defaults[name])):
            yield from _within(hints[name], value, at)


def _within(hint: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if not (_is_empty(value) and MAY_BE_EMPTY in args[1:]):
            yield from _within(args[0], value, path)
    elif origin in _UNIONS:
        found = [dict(_within(arm, value, path)) for arm in args if _may_be(arm, value)]
        yield from found[0].items() if found else ()
    elif _is_empty(value):
        if origin in _CONTAINERS and Any not in args:
            yield path, value
    else:
        yield from _below(hint, value, path)


def _below(hint: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Look into a mapping or a list."""
    args = get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        yield from empties(hint, value, path)
    elif isinstance(value, dict) and args:
        for key, inner in value.items():
            yield from _within(args[-1], inner, f"{path}.{key}")
    elif isinstance(value, list | tuple) and args:
        for i, inner in enumerate(value):
            yield from _within(args[0], inner, f"{path}[{i}]")


def _may_be(arm: Any, value: Any) -> bool:
    """Whether a value may be meant by this type of several: a mapping by what has all of its fields."""
    if get_origin(arm) is Annotated:
        return _may_be(get_args(arm)[0], value)
    if isinstance(value, dict):
        if dataclasses.is_dataclass(arm):
            return value.keys() <= {field.name for field in dataclasses.fields(arm)}
        return get_origin(arm) in (dict, *_UNIONS)
    return isinstance(value, list | tuple) and get_origin(arm) in (*_LISTS, *_UNIONS)


def _is_empty(value: Any) -> bool:
    return isinstance(value, _WRITTEN) and not value


def _default(field: dataclasses.Field[Any]) -> Any:
    said = field.default
    if isinstance(said, FieldInfo):
        return said.get_default(call_default_factory=True)
    if said is not dataclasses.MISSING:
        return said
    return _NOTHING if field.default_factory is dataclasses.MISSING else field.default_factory()
