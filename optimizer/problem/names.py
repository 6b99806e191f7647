"""Which of a rule's parameters are names, and of what: said by their types, so that no rule can forget it.

A parameter that holds the id of a host is a `HostName`, not a `str`; text that names nothing in a fleet is a `Word`.
`named` reads the names out of a policy's document along the types of a rule's parameters; `unclassed` returns the
parameters whose type leaves it open, and a test over the catalogue wants none.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from optimizer.fleet.directory import NameKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from optimizer.fleet import Directory

__all__ = [
    "MAY_BE_EMPTY",
    "DomainName",
    "GroupName",
    "HostLabel",
    "HostLabelValue",
    "HostLabels",
    "HostName",
    "HostPattern",
    "LevelName",
    "Named",
    "OwnerName",
    "Refers",
    "ResourceName",
    "VmLabel",
    "VmLabelValue",
    "VmLabels",
    "VmName",
    "VmPattern",
    "Word",
    "dangling",
    "named",
    "unclassed",
    "without_least",
]


@dataclass(frozen=True, slots=True)
class Refers:
    """Marks a text as a name of a kind; a function of the object that holds it, where that decides. None: no name."""

    kind: NameKind | Callable[[Any], NameKind] | None


HostName = Annotated[str, Refers(NameKind.HOST)]
HostPattern = Annotated[str, Refers(NameKind.HOSTS)]
"""An id, a pattern of ids such as ``db-*``, or ``LEVEL:ID``."""
VmName = Annotated[str, Refers(NameKind.VM)]
VmPattern = Annotated[str, Refers(NameKind.VMS)]
"""An id, or a pattern of ids."""
GroupName = Annotated[str, Refers(NameKind.GROUP)]
OwnerName = Annotated[str, Refers(NameKind.OWNER)]
LevelName = Annotated[str, Refers(NameKind.LEVEL)]
DomainName = Annotated[str, Refers(NameKind.DOMAIN)]
"""Stands in a mapping under its level, as in ``{rack: [r1, r2]}``."""
ResourceName = Annotated[str, Refers(NameKind.RESOURCE)]
HostLabel = Annotated[str, Refers(NameKind.HOST_LABEL)]
HostLabelValue = Annotated[str, Refers(NameKind.HOST_LABEL_VALUE)]
"""Stands in a mapping under its label, as do the values of VMs' labels."""
VmLabel = Annotated[str, Refers(NameKind.VM_LABEL)]
VmLabelValue = Annotated[str, Refers(NameKind.VM_LABEL_VALUE)]
HostLabels = dict[HostLabel, HostLabelValue]
VmLabels = dict[VmLabel, VmLabelValue]
Word = Annotated[str, Refers(None)]
"""Text that names nothing in a fleet."""


@dataclass(frozen=True, slots=True)
class _MayBeEmpty:
    """The mark, which the JSON Schema of a parameter heeds as well (`sources.empty_schema`)."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return without_least(handler(core))


def without_least(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a list or a mapping, or of one among others, without the least number of entries."""
    arms = {"anyOf": [without_least(arm) for arm in schema["anyOf"]]} if "anyOf" in schema else {}
    return {word: said for word, said in schema.items() if word not in ("minItems", "minProperties")} | arms


MAY_BE_EMPTY = _MayBeEmpty()
"""Marks a list or a mapping that says something when it is empty, other than when it is left out."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a document speaks of: where it stands, of what kind it is, and within which level or label."""

    path: str
    kind: NameKind
    name: str
    scope: str = ""


def dangling(names: Iterable[Named], directory: Directory) -> Iterator[Named]:
    """Yield the names that match nothing; the values of an unknown label (or level) are not said again."""
    unknown: set[str] = set()
    for one in names:
        if not directory.knows(one.kind, one.name, one.scope):
            if not any(one.path == path or one.path.startswith((f"{path}.", f"{path}[")) for path in unknown):
                yield one
            unknown.add(one.path)


def named(of: type, document: dict[str, Any], path: str) -> Iterator[Named]:
    """Yield the names in the document of an object of class `of` (a dataclass); defaults were named by nobody."""
    fields = {field.name for field in dataclasses.fields(of)}
    said = [name for name in document if name in fields]
    hints = get_type_hints(of, include_extras=True) if said else {}  # read anew each time, which takes a while
    for name in said:
        yield from _names(_Place(hints[name], document[name], f"{path}.{name}", document))


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of a document with its type; `holder` is the object around it, `scope` the key above it."""

    hint: Any
    value: Any
    path: str
    holder: dict[str, Any]
    refers: Refers | None = None
    scope: str = ""


def _names(at: _Place) -> Iterator[Named]:
    origin, args = get_origin(at.hint), get_args(at.hint)
    if origin is Annotated:
        mark = next((m for m in args[1:] if isinstance(m, Refers)), at.refers)
        yield from _names(dataclasses.replace(at, hint=args[0], refers=mark))
    elif origin in (Union, types.UnionType):
        for arm in args:
            yield from _names(dataclasses.replace(at, hint=arm))
    elif at.hint is str:
        yield from _name(at)
    elif dataclasses.is_dataclass(at.hint) and isinstance(at.value, dict):
        assert isinstance(at.hint, type)
        yield from named(at.hint, at.value, at.path)
    elif origin is dict and isinstance(at.value, dict):
        yield from _mapping(at, *args)
    elif origin in (tuple, list) and isinstance(at.value, list | tuple):
        each = [args[0]] * len(at.value) if origin is list or args[-1] is ... else args
        for i, (hint, value) in enumerate(zip(each, at.value, strict=False)):
            yield from _names(dataclasses.replace(at, hint=hint, value=value, path=f"{at.path}[{i}]"))


def _name(at: _Place) -> Iterator[Named]:
    kind = at.refers.kind if at.refers is not None else None
    if kind is not None and isinstance(at.value, str):
        yield Named(at.path, kind if isinstance(kind, NameKind) else kind(at.holder), at.value, at.scope)


def _mapping(at: _Place, key_hint: Any, value_hint: Any) -> Iterator[Named]:
    for key, value in at.value.items():
        path = f"{at.path}.{key}"
        yield from _names(dataclasses.replace(at, hint=key_hint, value=key, path=path))
        yield from _names(dataclasses.replace(at, hint=value_hint, value=value, path=path, scope=str(key)))


def unclassed(of: type, path: str = "") -> list[str]:
    """Return the parameters of a rule that hold text of which the type does not say whether it is a name."""
    hints = get_type_hints(of, include_extras=True)
    fields = {f.name for f in dataclasses.fields(of)}
    return [
        place
        for name, hint in hints.items()
        if name in fields and get_origin(hint) is not ClassVar
        for place in _unclassed(hint, f"{path}{name}")
    ]


def _unclassed(hint: Any, path: str) -> list[str]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return [] if any(isinstance(m, Refers) for m in args[1:]) else _unclassed(args[0], path)
    if hint is str or hint is Any:
        return [path]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return unclassed(hint, f"{path}.")
    if origin is Literal:
        return []
    return [place for arg in args for place in _unclassed(arg, path)]
