"""YAML from strangers: no tags, no aliases, no duplicate keys, no deep nesting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["DEPTH_LIMIT", "check_plain", "load_yaml"]

DEPTH_LIMIT = 20


def _refused(problem: str, at: Any) -> yaml.MarkedYAMLError:
    """YAML that could be read, and will not be; `at` is a node or an event, which know their place in the text."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _refused("a key has to be text: put it in quotes", key)
            if key.value in seen:
                raise _refused(f"the key {key.value[:64]!a} stands here twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _look_over(text: str) -> None:
    """Walk the events, which costs no more than the text is long, before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases are not read: write it out", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise _refused(f"more than {DEPTH_LIMIT} levels of nesting", event)


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
        raise InputError(where, f"byte {error.start}", error.reason, "UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}" if mark else ""
        raise InputError(where, line, error.problem or "", "YAML") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(where, "", str(error), "YAML") from error
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
