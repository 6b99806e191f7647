"""Which fields there are at a place of a document that a tree of dataclasses describes: for "did you mean ...?"."""

from __future__ import annotations

import dataclasses
import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["names_at"]

_UNIONS = (Union, types.UnionType)


def names_at(kind: Any, steps: Iterable[int | str]) -> list[str]:
    """Return the names of the fields where `steps` lead to; empty where no dataclass is there.

    Parameters
    ----------
    kind
        The dataclass that describes the document.
    steps
        Names of fields, keys of tables and indexes of lists, from the top.
    """
    kinds = [kind]
    for step in steps:
        kinds = [inner for one in kinds for inner in _into(one, step)]
    return list(dict.fromkeys(field.name for one in kinds for field in _fields(one)))


def _fields(kind: Any) -> Iterable[dataclasses.Field[Any]]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _into(kind: Any, step: int | str) -> list[Any]:
    """Return the types that may stand at a step below a type."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind) if isinstance(kind, type) else {}
        return _plain(hints[str(step)]) if step in hints else []
    inner = get_args(kind)
    return _plain(inner[-1] if isinstance(step, str) else inner[0]) if inner else []


def _plain(kind: Any) -> list[Any]:
    """Return the types that an annotation allows, without what only narrows them."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain(get_args(kind)[0])
    if origin in _UNIONS:
        return [one for branch in get_args(kind) for one in _plain(branch)]
    return [kind]
