"""Says in Remora's own words what is wrong with a policy: the library that checks the fields has words of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import MISSING, InputError
from optimizer.grammar import listed
from optimizer.similar import similar
from optimizer.sources.field_names import names_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic import ValidationError

__all__ = ["EXPECTED", "PATTERNS", "input_error"]

UNKNOWN_FIELD = ("unexpected_keyword_argument", "extra_forbidden")
NO_BRANCH = ("union_tag_invalid", "union_tag_not_found")
SECRETS = "execution.prometheus"
"""Where somebody may write a secret by mistake: what stands there is never shown."""

KEY = "[key]"
"""What ends the location of a complaint about a key."""

_NOTHING = object()

PATTERNS = {
    r"^[A-Za-z0-9._-]+$": "letters, digits, '.', '_' and '-' only",
    r"^[a-z0-9_]*$": "lower-case letters, digits and '_' only",
    r"^[^\x00]*$": "a text without zero bytes",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "a time of day in quotes, such as '22:30'",
    r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$": "an offset from UTC in quotes, such as '+01:00'",
}
"""The patterns that texts of a policy have to match, in words."""


def _same(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _: text


def _entries(word: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda c: f"{word} {_count(c.get('min_length', c.get('max_length')), 'entry', 'entries')}"


def _letters(word: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda c: f"a text of {word} {_count(c.get('min_length', c.get('max_length')), 'character', 'characters')}"


def _count(number: Any, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _choice(context: Mapping[str, Any]) -> str:
    names = str(context["expected"]).replace(" or ", ", ").replace("'", "")
    return f"one of {names}" if ", " in names else names


def _bound(word: str, name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda c: f"a number {word} {c[name]:.15g}" if isinstance(c[name], float) else f"a number {word} {c[name]}"


_WHOLE, _NUMBER, _TEXT, _YES = _same("a whole number"), _same("a number"), _same("a text"), _same("true or false")
_LIST, _MAPPING = _same("a list"), _same("a mapping (name: value)")

EXPECTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _same("a whole number of at most 4,300 digits"),
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _same("a finite number"),
    "bool_type": _YES,
    "bool_parsing": _YES,
    "string_type": _TEXT,
    "string_unicode": _same("a text of Unicode characters"),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "none_required": _same("null"),
    "literal_error": _choice,
    "enum": _choice,
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("of at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("of at most", "le"),
    "too_short": _entries("at least"),
    "too_long": _entries("at most"),
    "string_too_short": _letters("at least"),
    "string_too_long": _letters("at most"),
    "string_pattern_mismatch": lambda c: PATTERNS.get(c["pattern"], f"a text that matches {c['pattern']}"),
    "value_error": lambda c: str(c["error"]),
}
"""What is expected, by the kind of the complaint and what it says of the limit."""


def input_error(kind: type[Any], error: ValidationError, document: dict[str, Any], where: str, path: str) -> InputError:
    """Turn the first complaint into an error; a misspelt field comes before what is missing for that reason."""
    found = error.errors(include_url=False)
    first = min(found, key=lambda e: e["type"] not in UNKNOWN_FIELD)
    steps = list(_steps(first["loc"], document))
    if first["type"] == "value_error" and isinstance(first["input"], dict) and _item_at(document, steps) is _NOTHING:
        steps.pop()  # the name of a branch
    at = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    field = (path + at).lstrip(".")
    if first["type"] in UNKNOWN_FIELD:
        names = names_at(kind, steps[:-1])
        hint = similar(str(steps[-1]), names) or (f"there are {', '.join(names)}" if names else "leave it out")
        return InputError(where, field, steps[-1], "a field that is known here", hint)
    if first["type"] == "missing":
        return InputError(where, field, MISSING, "a value; this field has to be given")
    if first["type"] in NO_BRANCH:
        return _no_branch(first["ctx"], where, field)
    if field.startswith(SECRETS):
        return InputError(where, field, "what stands there (it may be a secret)", _expected(first))
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return InputError(where, field, first["input"], "parameters that go together", str(first["ctx"]["error"]))
    branches = [e for e in found if _of_key(e) == _of_key(first) and list(_steps(e["loc"], document)) == steps]
    expected = listed(dict.fromkeys(_expected(e) for e in branches), "or")
    hint = "put it in quotes" if first["type"] == "string_type" and isinstance(first["input"], int | float) else ""
    return InputError(where, field, first["input"], f"a key that is {expected}" if _of_key(first) else expected, hint)


def _no_branch(context: Mapping[str, Any], where: str, field: str) -> InputError:
    """Say which kinds of entry there are, where a list has entries of several kinds."""
    at = f"{field}.{str(context['discriminator']).strip(chr(39))}"
    if "tag" not in context:
        return InputError(where, at, MISSING, "a value; this field has to be given")
    names = str(context["expected_tags"]).replace("'", "").split(", ")
    return InputError(where, at, context["tag"], f"one of {', '.join(names)}", similar(context["tag"], names))


def _item_at(document: object, steps: Iterable[int | str]) -> object:
    for step in steps:
        document = _item(document, step)
    return document


def _of_key(complaint: Any) -> bool:
    """Whether a complaint is about the key of an entry, not about its value."""
    return bool(complaint["loc"]) and complaint["loc"][-1] == KEY


def _expected(complaint: Any) -> str:
    words = EXPECTED.get(complaint["type"])
    return words(complaint.get("ctx", {})) if words else str(complaint["msg"])


def _steps(location: Iterable[int | str], document: object) -> Iterator[int | str]:
    """Yield the steps of a location that lead through the document; it also names branches of unions."""
    steps = list(location)
    for i, step in enumerate(steps):
        inside = _item(document, step)
        if inside is not _NOTHING:
            document = inside
        elif not isinstance(document, dict) or i < len(steps) - 1:
            continue
        yield step


def _item(document: object, step: int | str) -> object:
    if isinstance(document, dict):
        return document.get(step, _NOTHING)
    if isinstance(document, list) and isinstance(step, int) and step < len(document):
        return document[step]
    return _NOTHING
