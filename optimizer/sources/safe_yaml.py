"""YAML from strangers: no tags, no aliases, no duplicate keys, no deep nesting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from optimizer.errors import InputError
from optimizer.sources.yaml_words import place_of, plainly

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["DEPTH_LIMIT", "check_plain", "load_yaml"]

DEPTH_LIMIT = 20
NEWLINE = b"\n"
TEXT, BOOL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"


class _Refused(yaml.MarkedYAMLError):
    """YAML that could be read, and will not be, said in words of our own: what it is, and what to do."""

    def __init__(self, what: str, do: str, at: Any) -> None:
        super().__init__(problem=what, problem_mark=at.start_mark)
        self.words = what, do


def _refused(what: str, do: str, at: Any) -> _Refused:
    """Refuse something; `at` is a node or an event, which know their place in the text."""
    return _Refused(what, do, at)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        if not isinstance(node, yaml.MappingNode):
            raise _refused("a tag (!), which is not read", "leave it out, or put the text in quotes", node)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == BOOL:
                key.tag = TEXT  # on, off, yes and no are words where a name stands
            if not isinstance(key, yaml.ScalarNode) or key.tag != TEXT:
                raise _refused("a key has to be text", "put it in quotes", key)
            if key.value in seen:
                raise _refused(f"the key {key.value[:64]!a} stands here twice", "leave one", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value; one that looks like a date or a number and is none is refused with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise _refused("a date or a number that is none", "put it in quotes, if it is a text", node) from error


def _look_over(text: str) -> None:
    """Walk the events, which costs no more than the text is long, before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused("an alias (*), which is not read", "write it out, or put the text in quotes", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise _refused(f"more than {DEPTH_LIMIT} levels of nesting", "write it flatter", event)


def load_yaml(raw: bytes, where: str) -> object:
    """Return the one document that `raw` holds, as dicts, lists and scalars.

    Raises
    ------
    InputError
        It is not YAML, not UTF-8, or uses what could hide a mistake or a bomb.
    """
    try:
        text = raw.decode("utf-8")
        _look_over(text)
        document: object = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        hint, line = f"byte {error.start + 1} is none: save the file as UTF-8", raw.count(NEWLINE, 0, error.start) + 1
        raise InputError(where, f"line {line}", f"0x{raw[error.start]:02x}", "text in UTF-8", hint) from error
    except _Refused as error:
        raise InputError(where, place_of(error), error.words[0], "YAML that can be read", error.words[1]) from error
    except yaml.MarkedYAMLError as error:
        what, do = plainly(f"{error.context or ''} {error.problem or ''}")
        raise InputError(where, place_of(error), what, "YAML that can be read", do) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what, do = plainly(error.reason)
        raise InputError(where, f"line {line}, column {column}", what, "YAML that can be read", do) from error
    return document


def check_plain(value: object, where: str, path: str = "", depth: int = DEPTH_LIMIT) -> None:
    """Refuse what JSON does not have, or no 64 bits hold: dates, sets, infinities; nor may it be deeply nested."""
    if depth < 0:
        raise InputError(where, path, "…", f"at most {DEPTH_LIMIT} levels of nesting")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(where, path, key, "a name in text", "put it in quotes")
            check_plain(item, where, f"{path}.{key}".lstrip("."), depth - 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_plain(item, where, f"{path}[{i}]", depth - 1)
    elif not _is_plain(value):
        number = isinstance(value, int | float)
        hint = "" if number else "put it in quotes"
        raise InputError(where, path, value, "a text, true or false, or a finite number within 64 bits", hint)


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return isinstance(value, str | None)
