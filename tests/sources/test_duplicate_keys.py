"""Keys that stand twice in one object: found wherever they are, and nowhere else, by two independent looks."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import orjson
import pytest

from optimizer.errors import InputError
from optimizer.sources.duplicate_keys import duplicate_key, may_have_duplicates
from optimizer.sources.files import parse_json
from tests import build
from tests.command_line import refused
from tests.sources.mutations import nodes

ODD = ('":', "a:b", ': "', '\\":', "12:00:00Z", "ü:", "", "\u2028:", '{"a":1,"a":2}')


def written(rng: Random, value: Any, *, twice: bool = False) -> str:
    """Write a document as JSON in an unusual but legal way; `twice`: one key of some object stands twice."""
    if isinstance(value, dict) and value:
        items = list(value.items())
        if twice:
            inner = [k for k, v in items if isinstance(v, dict | list) and v]
            if inner and rng.random() < 0.7:
                at = rng.choice(inner)
                parts = [(k, written(rng, v, twice=k == at)) for k, v in items]
            else:
                key = rng.choice(items)[0]
                parts = [(k, written(rng, v)) for k, v in items]
                parts.insert(rng.randrange(len(parts) + 1), (key, json.dumps(rng.choice((*ODD, 7)))))
        else:
            parts = [(k, written(rng, v)) for k, v in items]
        return "{" + ",".join(space(rng) + quoted(rng, k) + space(rng) + ":" + space(rng) + v for k, v in parts) + "}"
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return "[" + ",".join(written(rng, v, twice=twice and i == at) for i, v in enumerate(value)) + "]"
    return quoted(rng, value) if isinstance(value, str) else json.dumps(value)


def space(rng: Random) -> str:
    return rng.choice(("", "", " ", "\n", "\t "))


def quoted(rng: Random, text: str) -> str:
    """Write a string plainly, in ASCII, or with its colons escaped."""
    out = json.dumps(text, ensure_ascii=rng.random() < 0.5)
    return out.replace(":", "\\u003a") if rng.random() < 0.05 else out


def has_twice(text: str) -> bool:
    found = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len(items) != len({k for k, _ in items}))
        return dict(items)

    json.loads(text, object_pairs_hook=pairs)
    return any(found)


def some_document(rng: Random) -> Any:
    snapshot = build.document([build.host(f"h{n}", memory=9) for n in range(3)], [build.vm("v", "h0", memory=1)])
    for _ in range(rng.randint(0, 4)):
        here, key = rng.choice(nodes(snapshot))
        if isinstance(here[key], str):
            here[key] = rng.choice(ODD)
    return snapshot


@pytest.mark.parametrize("chunk", range(4))
def test_a_key_that_stands_twice_is_found_and_nothing_else(chunk: int) -> None:
    """500 texts, half of them with a key twice; the standard library's parser says which."""
    found = 0
    for seed in range(chunk * 125, (chunk + 1) * 125):
        rng = Random(seed)
        text = written(rng, some_document(rng), twice=bool(seed % 2))
        data, twice = text.encode(), has_twice(text)
        where = duplicate_key(data)
        assert (where is not None) == twice, text
        assert not twice or may_have_duplicates(data, json.loads(text)), text
        if where is not None:
            assert 1 <= where.line <= text.count("\n") + 1
            with pytest.raises(InputError) as error:
                parse_json(data, "fleet.json")
            assert (error.value.path, error.value.value) == (where.path, where.key)
        else:
            assert parse_json(data, "fleet.json") == json.loads(text)
        found += twice
    assert 40 < found < 80


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('{"a": 1, "a": 2}', "a", 1),
        ('{"vms": [{}, {"demand": {"x": 1,\n "y": 2,\n "x": 3}}]}', "vms[1].demand.x", 3),
        ('{"a": {"a": {"a": 1}}, "b": [[{"c": 1, "c": 1}]]}', "b[0][0].c", 1),
        ('[{"a": 1}, {"a": 1, "\\u0061": 2}]', "[1].a", 1),
    ],
)
def test_where_it_stands_is_said(text: str, path: str, line: int) -> None:
    found = duplicate_key(text.encode())
    assert found is not None
    assert (found.path, found.line) == (path, line)


def test_a_snapshot_and_a_plan_with_a_key_twice_are_refused(tmp_path: Any) -> None:
    snapshot = build.document([build.host("h0", memory=9)], [build.vm("v", "h0", memory=1)])
    text = json.dumps(snapshot)
    place = tmp_path / "fleet.json"
    place.write_text(text.replace('"host": "h0"', '"host": "h0", "host": null', 1))
    said = refused("check", str(place))
    assert "vms[0].host" in said
    assert "each key once in an object" in said
    assert "line 1 has it again" in said
    plan = tmp_path / "plan.json"
    plan.write_text('{"format": "remora-plan/1", "id": "a", "id": "b"}')
    assert "id: " in refused("show", str(plan))


@pytest.mark.parametrize("depth", [100, 253, 254, 255, 500, 1000])
def test_a_deeply_nested_text_is_looked_at_as_well(depth: int) -> None:
    for inner in ('{"a": 1}', '{"a": 1, "a": 2}'):
        text = '{"x": ' * depth + inner + "}" * depth
        assert may_have_duplicates(text.encode(), orjson.loads(text)) >= (inner != '{"a": 1}')
        found = duplicate_key(text.encode())
        assert (found is not None) == (inner != '{"a": 1}')
