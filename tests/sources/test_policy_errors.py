from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from constraints import CATALOGUE
from optimizer.errors import InputError
from optimizer.sources import policy_errors
from optimizer.sources.policy_yaml import FORMAT, policy_from_document, policy_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG: tuple[Any, ...] = (
    None, "x", "", -1, 0, 10**18, 1.5, math.nan, math.inf, True, [], {}, ["x"], {"x": "y"}, [1], [{}], {"x": 1},
    "9" * 100, {"a": -1}, [["x"]], {"x": {}}, [{"x": 1}],
)  # fmt: skip

FOREIGN = re.compile(
    r"Input|should be|valid (integer|number|string|list|tuple|dictionary|boolean)|unable to|instance of|"
    r"(greater|less) than|Decimal|keyword|Value error|pattern|parsing"
)
"""What the library that checks the fields says of its own accord."""


def documents() -> Iterator[dict[str, Any]]:
    """Yield policies with one wrong value, in each field that there is."""
    schema = policy_schema(CATALOGUE)
    capacity = {"rule": "capacity"}
    for kind in CATALOGUE:
        for name in set(schema["$defs"][f"rule_{kind}"]["properties"]) - {"rule"}:
            yield from ({"format": FORMAT, "rules": [{"rule": kind, name: value}]} for value in WRONG)
    for part, definition in (("concurrency", "_Concurrency"), ("execution", "ExecutionPart")):
        for name in schema["$defs"][definition]["properties"]:
            yield from ({"format": FORMAT, "rules": [capacity], part: {name: value}} for value in WRONG)
    for name in schema["properties"]:
        yield from ({"format": FORMAT, "rules": [capacity], name: value} for value in WRONG)


def test_every_wrong_value_is_said_in_our_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: set[str] = set()
    expected = policy_errors._expected

    def noting(complaint: Any) -> str:
        kinds.add(complaint["type"])
        return expected(complaint)

    monkeypatch.setattr(policy_errors, "_expected", noting)
    refused = 0
    for document in documents():
        try:
            policy_from_document(document, "p.yaml", CATALOGUE)
        except InputError as error:
            refused += 1
            assert error.path and error.expected, (document, str(error))
            assert not FOREIGN.search(f"{error.expected} {error.hint}"), str(error)
    assert refused > 1000
    assert kinds <= policy_errors.EXPECTED.keys()


def test_every_pattern_has_words() -> None:
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(policy_schema(CATALOGUE))))
    assert {json.loads(p) for p in patterns} <= policy_errors.PATTERNS.keys()


@pytest.mark.parametrize(
    ("rule", "path", "said"),
    [
        (
            {"rule": "noisy_neighbor", "limit": {"disc": 3}},
            "rules[0].limit.disc",
            "a key that is one of cpu_steal",
        ),
        ({"rule": "noisy_neighbor", "limit": {"io": "x"}}, "rules[0].limit.io", "expected a number"),
        ({"rule": "capacity", "price": 3}, "rules[0]", "parameters that go together (a price belongs"),
        ({"rule": "capacity", "weight": 0}, "rules[0].weight", "0: expected a number of at least 1"),
        ({"rule": "capacity", "weight": "heavy"}, "rules[0].weight", "'heavy': expected a whole number"),
        ({"rule": "capacity", "require": ["x"]}, "rules[0]", "'x' is no fact that this rule reads"),
    ],
)
def test_file_field_value_and_what_is_expected(rule: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        policy_from_document({"format": FORMAT, "rules": [rule]}, "p.yaml", CATALOGUE)
    assert caught.value.path == path
    assert said in str(caught.value)
