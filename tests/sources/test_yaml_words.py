"""YAML that cannot be read is refused in plain words, with line, column and what to do, whatever is wrong."""

from __future__ import annotations

import re
from random import Random

import pytest

from optimizer.errors import InputError
from optimizer.sources.safe_yaml import load_yaml
from tests.command_line import refused

FOREIGN = re.compile(
    r"while (scanning|parsing)|could not find|but found|<|token|not allowed|mapping values|scalar|NoneType|'utf"
)
"""What the library says of its own accord."""

GOOD = """format: remora-policy/1
rules:
  - rule: capacity
    overcommit: [{resource: cpu_millicores, ratio: "1.6", labels: {pool: "a: b"}}]
  - {rule: headroom, resource: disk_mib, alert: 0.9, safe: 0.8}
least: moves
concurrency:
  per_domain: {rack: 2}
  groups: {es: 2}
"""
SIGNS = [*":-{}[],'\"#&*!|>%@`\t\\?\x07", "  ", "\n", "- ", ": ", "---\n", "!!set ", "2026-13-45", "\n \n   x"]


def damaged(rng: Random) -> str:
    text = GOOD
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(SIGNS) + text[at + rng.choice((0, 0, 1, 4)) :]
    return text


@pytest.mark.parametrize("chunk", range(4))
def test_every_refusal_has_a_place_plain_words_and_what_to_do(chunk: int) -> None:
    """2,000 damaged policies; what is still YAML is passed over."""
    refusals = 0
    for seed in range(chunk * 500, (chunk + 1) * 500):
        text = damaged(Random(seed))
        try:
            load_yaml(text.encode(), "policy.yaml")
        except InputError as error:
            refusals += 1
            assert re.fullmatch(r"line \d+, column \d+", error.path), (text, error)
            assert 1 <= int(error.path.split()[1].rstrip(",")) <= text.count("\n") + 1
            assert not FOREIGN.search(str(error)), (text, str(error))
            assert error.hint, text
    assert refusals > 100


@pytest.mark.parametrize(
    ("text", "line", "words", "do"),
    [
        ("a: b: c", 1, "a colon where no key may begin", "in quotes"),
        ("a:\n\tb: 1", 2, "a tab", "indent with spaces"),
        ("a: [1, 2\nb: 3", 2, "not closed", "close it"),
        ("a: 'x", 1, "a quote that is opened", "close it"),
        ('a: "\\q"', 1, "a backslash", "single quotes"),
        ("a: @x", 1, "begins no value", "in quotes"),
        ("- a\nb: 1", 2, "indented otherwise", "in one column"),
        ("a: !!python/x 1", 1, "a tag", "leave it out"),
        ("a: &x 1\nb: *x", 2, "an alias", "write it out"),
        ("a: 1\n---\nb: 1", 2, "more after the end", "one document"),
        ("a: 2026-13-45", 1, "a date or a number that is none", "in quotes"),
        ("a: 1\n1: 2", 2, "a key has to be text", "in quotes"),
        ("a: 1\na: 2", 2, "stands here twice", "leave one"),
        ("a: \x07", 1, "a control character", "take it out"),
    ],
)
def test_what_is_wrong_where_and_what_to_do(text: str, line: int, words: str, do: str) -> None:
    with pytest.raises(InputError) as error:
        load_yaml(text.encode(), "policy.yaml")
    assert error.value.path.startswith(f"line {line}, column ")
    assert words in str(error.value.value)
    assert do in error.value.hint


def test_the_command_says_it_in_one_line(tmp_path) -> None:
    place = tmp_path / "policy.yaml"
    place.write_text("format: remora-policy/1\nrules:\n\t- rule: capacity\n")
    (tmp_path / "fleet.json").write_text("{}")
    said = refused("check", str(tmp_path / "fleet.json"), "--policy", str(place))
    assert "line 3, column 1: 'a tab, where YAML wants spaces'" in said
