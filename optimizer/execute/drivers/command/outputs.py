"""What a program prints, as rows of named texts: by JSON pointers, by lines `name: value`, or by a pattern.

==========================  ===================================================================================
in a template               the rows are
==========================  ===================================================================================
``rows: /data/*``           of a JSON document, each value that the pointer reaches; ``*`` is every element
``fields: ":"``             one: each line is a name, the separator, and a value
``pattern: "^(?P<vm>..."``  each match; what stands between matches has to be blank, or to match ``skip``
==========================  ===================================================================================

``columns`` says where in a row a column is (``/Source Compute``); a list of places is one text, joined by ``/``.
Anything that is printed and does not fit is an error: a program that says something else must not look like an empty
fleet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import orjson

from optimizer.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Garbage", "Output", "Row", "looked_up", "time_of"]

Row = dict[str, str]


class Garbage(Exception):
    """A program printed what it was not expected to."""


@dataclass(frozen=True, slots=True)
class Output:
    """How the output of a program is read.

    Attributes
    ----------
    rows, fields, pattern
        One of them: see above.
    skip
        What may stand between matches of the pattern, or be a line without the separator.
    columns
        Where each column is in a row.
    """

    columns: Mapping[str, tuple[str, ...]]
    rows: str | None = None
    fields: str | None = None
    pattern: re.Pattern[str] | None = None
    skip: re.Pattern[str] | None = None

    def read(self, raw: bytes) -> list[Row]:
        """Return the rows of an output.

        Raises
        ------
        Garbage
            It is not what the template says.
        """
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Garbage(f"byte {error.start} is not UTF-8") from error
        if self.rows is not None:
            found: Iterator[Any] = self._json(text)
        elif self.fields is not None:
            found = iter([self._fields(text, self.fields)])
        else:
            found = self._matches(text)
        return [{name: _joined(row, places) for name, places in self.columns.items()} for row in found]

    def _json(self, text: str) -> Iterator[Any]:
        assert self.rows is not None
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Garbage(f"not JSON: {error.msg} at line {error.lineno}") from error
        for row in _reached(document, _steps(self.rows), self.rows):
            if type(row) is not dict:
                raise Garbage(f"{self.rows or 'the document'}: {shorten(row)}, and not an object")
            yield row

    def _fields(self, text: str, separator: str) -> dict[str, str]:
        row: dict[str, str] = {}
        for line in text.splitlines():
            name, found, value = line.partition(separator)
            if found:
                row[name.strip()] = value.strip()
            elif line.strip() and not (self.skip and self.skip.fullmatch(line.strip())):
                raise Garbage(f"no line of the form `name{separator} value`: {shorten(line)}")
        return row

    def _matches(self, text: str) -> Iterator[dict[str, str]]:
        assert self.pattern is not None
        at = 0
        for match in self.pattern.finditer(text):
            self._between(text[at : match.start()])
            at = match.end()
            yield {name: value or "" for name, value in match.groupdict().items()}
        self._between(text[at:])

    def _between(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip() and not (self.skip and self.skip.fullmatch(line.strip())):
                raise Garbage(f"this line is not expected: {shorten(line)}")


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _reached(value: Any, steps: Sequence[str], pointer: str) -> Iterator[Any]:
    if not steps:
        yield value
    elif steps[0] == "*":
        if type(value) is not list:
            raise Garbage(f"{pointer}: {shorten(value)}, and not a list")
        for item in value:
            yield from _reached(item, steps[1:], pointer)
    elif type(value) is dict and steps[0] in value:
        yield from _reached(value[steps[0]], steps[1:], pointer)
    else:
        raise Garbage(f"{pointer}: there is no {steps[0]}")


def _joined(row: Any, places: tuple[str, ...]) -> str:
    return "/".join(_text(_at(row, place)) for place in places)


def _at(value: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        if type(value) is dict:
            value = value.get(step)
        elif type(value) is list and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    return value if type(value) is str else orjson.dumps(value).decode()


def looked_up(table: Mapping[str, str], said: str) -> str | None:
    """Return what a table says of a text: exactly, or by the first key with ``*`` that fits; None if nothing."""
    if said in table:
        return table[said]
    return next((means for key, means in table.items() if "*" in key and fnmatchcase(said, key)), None)


def time_of(text: str) -> datetime | None:
    """Return a time that is written as seconds since 1970, or as ISO 8601 (UTC unless it says otherwise)."""
    try:
        if re.fullmatch(r"\d{1,11}(\.\d+)?", text, re.ASCII):
            return datetime.fromtimestamp(float(text), UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
