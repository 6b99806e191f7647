"""What a single value may be: the words in which the tables of fields are written.

Every kind judges a whole column at once (`fits`, fast) and one value at a time (`blame`, which finds the culprit and
names it); and it says itself as JSON Schema. `shapes` has the kinds that hold other values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from optimizer.errors import InputError, shorten
from optimizer.problem.rounding import RATIO_EXPECTED, RATIO_PATTERN, ratio_millionths
from optimizer.similar import similar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Fault",
    "Kind",
    "Scalar",
    "check",
    "choice",
    "exactly",
    "flag",
    "key_path",
    "parse_time",
    "real",
    "shaped",
    "similar",
    "text",
    "time_text",
    "when",
    "whole",
]

UNPRINTABLE = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff"
"""Control characters, line separators and marks that turn the direction of writing: they would break any listing."""

PROSE_UNPRINTABLE = UNPRINTABLE.replace("\\u0000-\\u001f", "\\u0000-\\u0008\\u000b-\\u001f")
SURROGATES = "\\ud800-\\udfff"
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RFC3339 = r"^(19[7-9]\d|2\d{3})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
_IS_RFC3339 = re.compile(RFC3339.removesuffix("$") + r"\Z", re.ASCII)


class Fault(NamedTuple):
    """What is wrong and where: an `InputError` without its file."""

    path: str
    value: object
    expected: str
    hint: str = ""


class Kind(Protocol):
    """What a value may be."""

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return what is wrong with one value, the first thing if there are several; None if it fits."""

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema 2020-12."""


def check(kind: Kind, document: object, where: str) -> None:
    """Judge a document.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    if kind.fits([document]):
        return
    fault = kind.blame(document, "") or Fault("", document, "a document as `remora schema` describes it")
    raise InputError(where, *fault)


def key_path(path: str, key: object) -> str:
    """Return the path of a member of an object; a key that is no plain word is quoted and escaped."""
    if isinstance(key, str) and PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{shorten(key)}]"


def parse_time(text: str) -> datetime | None:
    """Read an RFC 3339 time with an offset; None if it is none (or before 1970: no snapshot is that old)."""
    if not _IS_RFC3339.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def time_text(at: datetime) -> str:
    """Return a time as RFC 3339, with ``Z`` for UTC."""
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    text = at.isoformat()
    return text.removesuffix("+00:00") + "Z" if at.utcoffset() == UTC.utcoffset(None) else text


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that holds no others: a test of whole columns, what it expects in words, and the same as JSON Schema."""

    holds: Callable[[Sequence[Any]], bool]
    expected: str
    json: dict[str, Any]
    hint: Callable[[Any], str] = lambda value: ""

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        return self.holds(column)

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return what is wrong with one value."""
        return None if self.holds([value]) else Fault(path, value, self.expected, self.hint(value))

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        return self.json


def _are(column: Sequence[Any], *types: type) -> bool:
    """Types are compared exactly: a bool is no integer."""
    return set(map(type, column)) <= set(types)


def text(most: int = 256, least: int = 1, *, prose: bool = False, what: str = "text") -> Scalar:
    """Return the kind of strings without control characters (`prose` may have line breaks and tabs)."""
    unprintable = PROSE_UNPRINTABLE if prose else UNPRINTABLE
    forbidden = re.compile(f"[{unprintable}{SURROGATES}]")

    def holds(column: Sequence[Any]) -> bool:
        if not _are(column, str) or forbidden.search("".join(column)):
            return False
        lengths = list(map(len, column))
        return not lengths or (least <= min(lengths) and max(lengths) <= most)

    def hint(value: Any) -> str:
        if type(value) in (int, float):
            return f'as a string: "{value}"'
        return "it has control characters" if isinstance(value, str) and forbidden.search(value) else ""

    schema = {"type": "string", "minLength": least, "maxLength": most, "pattern": f"^[^{unprintable}]*$"}
    return Scalar(holds, f"{what} of {least} to {most} characters", schema, hint)


def shaped(pattern: str, what: str) -> Scalar:
    """Return the kind of strings that match a pattern as a whole (written with ^ and $)."""
    compiled = re.compile(pattern.removesuffix("$") + r"\Z", re.ASCII)

    def holds(column: Sequence[Any]) -> bool:
        return _are(column, str) and all(map(compiled.match, set(column)))

    def hint(value: Any) -> str:
        return f'as a string: "{value}"' if type(value) in (int, float) else ""

    return Scalar(holds, what, {"type": "string", "pattern": pattern}, hint)


def exactly(value: str) -> Scalar:
    """Return the kind of one constant."""
    return Scalar(lambda column: _are(column, str) and set(column) <= {value}, f'"{value}"', {"const": value})


def choice(*words: str) -> Scalar:
    """Return the kind of one of a few words."""
    allowed = set(words)
    return Scalar(
        lambda column: _are(column, str) and set(column) <= allowed,
        "one of " + ", ".join(words),
        {"enum": list(words)},
        lambda value: similar(value, words),
    )


def flag() -> Scalar:
    """Return the kind of true and false."""
    return Scalar(lambda column: _are(column, bool), "true or false", {"type": "boolean"})


def whole(low: int, high: int) -> Scalar:
    """Return the kind of integers, written as such: neither 3.0 nor true."""

    def holds(column: Sequence[Any]) -> bool:
        return _are(column, int) and (not column or (low <= min(column) and max(column) <= high))

    def hint(value: Any) -> str:
        if isinstance(value, str) and value[:1].isdigit():
            return "a number without quotes and without a unit: the field's name has the unit"
        if type(value) is int and value > high:
            return "is it in the unit that the field's name says?"
        return "without a decimal point" if isinstance(value, float) and value.is_integer() else ""

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Scalar(holds, f"an integer from {low} to {high}", schema, hint)


def real(low: float, high: float) -> Scalar:
    """Return the kind of finite numbers."""

    def holds(column: Sequence[Any]) -> bool:
        if not _are(column, int, float):
            return False
        # NaN compares false with everything, so it must not meet min() or max()
        return not column or (not any(v != v for v in column) and low <= min(column) and max(column) <= high)

    return Scalar(holds, f"a number from {low:g} to {high:g}", {"type": "number", "minimum": low, "maximum": high})


def ratio() -> Scalar:
    """Return the kind of ratios: numbers, decimal strings, percentages."""

    def holds(column: Sequence[Any]) -> bool:
        if not _are(column, str, int, float):
            return False
        try:
            return all(ratio_millionths(value) >= 0 for value in set(column))
        except ValueError:
            return False

    schema = {
        "anyOf": [{"type": "string", "pattern": RATIO_PATTERN}, {"type": "number", "minimum": 0, "maximum": 999.999999}]
    }
    return Scalar(holds, RATIO_EXPECTED, schema)


def when() -> Scalar:
    """Return the kind of times as RFC 3339 says them, with an offset."""
    return Scalar(
        lambda column: _are(column, str) and all(parse_time(text) is not None for text in set(column)),
        "a time with an offset, such as 2026-11-21T12:00:00Z",
        {"type": "string", "format": "date-time", "pattern": RFC3339},
    )
