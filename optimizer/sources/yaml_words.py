"""What is wrong with a YAML text, in plain words: what it is, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

__all__ = ["place_of", "plainly"]

WORDS: tuple[tuple[str, str, str], ...] = (
    (r"'\\t'|tab character", "a tab, where YAML wants spaces", "indent with spaces"),
    (
        r"mapping values are not allowed",
        "a colon where no key may begin",
        "put the value in quotes, or the key on a line of its own",
    ),
    (r"could not find expected ':'", "a key without its colon", "write KEY: VALUE, or put the text in quotes"),
    (
        r"expected <block end>|did not find expected '?<?block",
        "a line indented otherwise than its neighbours",
        "let the keys of a mapping, or the - of a list, begin in one column",
    ),
    (
        r"sequence entries are not allowed",
        "a - where no list may begin",
        "put the list on lines of its own, below its key",
    ),
    (r"expected ',' or '", "a { or [ that is not closed", "close it, and put commas between what is in it"),
    (
        r"expected the node content",
        "a value that is missing, or begins with a sign of YAML's own",
        "write the value, in quotes if it is a text",
    ),
    (r"unexpected end of stream|unexpected document separator", "a quote that is opened and not closed", "close it"),
    (
        r"escape (character|sequence)|expected escape|hexadecimal",
        "a backslash that stands for no character",
        "write two, or use single quotes",
    ),
    (r"cannot start any token", "a character that begins no value", "put the value in quotes"),
    (r"constructor for the tag|tag", "a tag (!), which is not read", "leave it out, or put the text in quotes"),
    (
        r"single document|document start",
        "more after the end of the document",
        "one file holds one document: leave the rest out",
    ),
    (r"anchor", "an anchor (&), which is not read", "leave it out, or put the text in quotes"),
    (r"directive|version", "a directive (%), which is not read", "leave it out"),
    (r"special characters", "a control character", "take it out"),
    (
        r"indentation|block scalar|chomping",
        "a block of text (| or >) whose beginning cannot be read",
        "begin the text on the next line, indented by spaces",
    ),
)
"""What the library calls it, what it is, and what to do; the first that fits."""

OTHERWISE = ("something that YAML cannot have here", "look at the indentation, and put texts with : # { [ - in quotes")


def plainly(problem: str) -> tuple[str, str]:
    """Return what is wrong and what to do, for a problem in the library's words."""
    return next(((what, do) for said, what, do in WORDS if re.search(said, problem)), OTHERWISE)


def place_of(error: MarkedYAMLError) -> str:
    """Return line and column of an error, as far as it knows them."""
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
