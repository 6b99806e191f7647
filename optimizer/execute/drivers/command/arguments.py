"""Argument vectors with places to fill in: `{vm}`, `--domain={vm.uuid}`. Nothing is ever split, nor read by a shell.

A value that would begin an argument with ``-`` is refused, unless ``--`` stands before it: it would be read as an
option. An entry may depend on a value: ``{if: copied, then: [--copy-storage-all]}``, ``{if: how=live, ...}``.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError, shorten
from optimizer.similar import similar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["Arguments", "Unfit", "parse_arguments"]

PLACE = re.compile(r"\{\{|\}\}|\{([a-z_][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)\}|[{}]")


class Unfit(Exception):
    """A value cannot be an argument there."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Arguments that stand there where `name` has (or, `negated`, has not) the value, or any where that is empty."""

    words: tuple[str, ...]
    name: str = ""
    value: str = ""
    negated: bool = False

    def stands(self, values: Mapping[str, str]) -> bool:
        if not self.name:
            return True
        has = values.get(self.name, "")
        return ((has == self.value) if self.value else bool(has)) is not self.negated


@dataclass(frozen=True, slots=True)
class Arguments:
    """An argument vector with places; `shapes` say by patterns what may be filled in."""

    entries: tuple[_Entry, ...]
    shapes: Mapping[str, re.Pattern[str]]

    @property
    def names(self) -> set[str]:
        """The values that it needs."""
        return {m[1] for entry in self.entries for word in entry.words for m in PLACE.finditer(word) if m[1]}

    def fill(self, values: Mapping[str, str], through: Sequence[str] = ()) -> list[str]:
        """Return the vector; `through` (a program and its arguments) gets it as one argument, quoted for a shell there.

        Raises
        ------
        Unfit
            A value is missing or has another shape, or would be read as an option.
        """
        words: list[str] = []
        for entry in self.entries:
            if entry.stands(values):
                for word in entry.words:
                    words.append(self._filled(word, values, free="--" in words))
        return [*through, shlex.join(words)] if through else words

    def _filled(self, word: str, values: Mapping[str, str], *, free: bool) -> str:
        filled = PLACE.sub(lambda m: self._value(m[1], values) if m[1] else m[0][0], word)
        if filled.startswith("-") and not word.startswith("-") and not free:
            raise Unfit(
                f"{word} would be {shorten(filled)}, which is read as an option: write --option={word} or -- before"
            )
        if not filled and word:
            raise Unfit(f"{word} would be empty")
        return filled

    def _value(self, name: str, values: Mapping[str, str]) -> str:
        if name not in values:
            raise Unfit(f"there is no value for {{{name}}}")
        value = values[name]
        shape = self.shapes.get(name)
        if shape is not None and not shape.fullmatch(value):
            raise Unfit(f"{{{name}}} is {shorten(value)}, and has to be {shape.pattern}")
        if "\0" in value:
            raise Unfit(f"{{{name}}} has a zero byte")
        return value


def parse_arguments(
    found: Any, where: str, path: str, known: Collection[str], shapes: Mapping[str, re.Pattern[str]]
) -> Arguments:
    """Return an argument vector as a template has it.

    Raises
    ------
    InputError
        It is none, or has a place that is never filled in.
    """
    if type(found) is not list or not found or type(found[0]) is not str or "{" in found[0]:
        raise InputError(where, path, found, "a list: a program, and its arguments", "the program itself is fixed")
    return Arguments(tuple(_entries(found, where, path, known)), shapes)


def _entries(found: list[Any], where: str, path: str, known: Collection[str]) -> Iterator[_Entry]:
    for i, item in enumerate(found):
        here = f"{path}[{i}]"
        if type(item) is str:
            _check_word(item, where, here, known)
            yield _Entry((item,))
            continue
        if type(item) is not dict or set(item) != {"if", "then"} or type(item["then"]) is not list:
            raise InputError(where, here, item, "a text, or {if: NAME or NAME=VALUE, then: [...]}", "put it in quotes")
        for j, word in enumerate(item["then"]):
            _check_word(word, where, f"{here}.then[{j}]", known)
        condition = item["if"]
        if type(condition) is not str or not (match := re.fullmatch(r"(not )?([A-Za-z_.]+)(?:=(.+))?", condition)):
            raise InputError(where, f"{here}.if", condition, "NAME, NAME=VALUE, or either after `not`")
        _check_name(match[2], where, f"{here}.if", condition, known)
        yield _Entry(tuple(item["then"]), match[2], match[3] or "", bool(match[1]))


def _check_word(word: Any, where: str, path: str, known: Collection[str]) -> None:
    if type(word) is not str:
        raise InputError(where, path, word, "a text", "put it in quotes")
    for match in PLACE.finditer(word):
        if match[0] in "{}":
            raise InputError(where, path, word, "braces around a name, such as {vm}", "a brace itself is written twice")
        if match[1]:
            _check_name(match[1], where, path, word, known)


def _check_name(name: str, where: str, path: str, value: str, known: Collection[str]) -> None:
    if name not in known:
        hint = similar(name, sorted(known)) or f"known here: {', '.join(sorted(known))}"
        raise InputError(where, path, value, "names that have a value here", hint)
