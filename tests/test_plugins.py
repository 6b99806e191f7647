from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from optimizer.errors import InputError
from optimizer.plugins import Registry


def registry(*entries: tuple[str, str]) -> Registry[object]:
    found = [EntryPoint(name, value, "remora.things") for name, value in entries]
    return Registry("--thing", "remora.things", {"own": lambda: "ours"}, lambda _: found)


def test_what_is_built_in_comes_first_and_cannot_be_replaced() -> None:
    things = registry(("zip", "zipfile:ZipFile"), ("own", "os:path"), ("abc", "os:sep"))
    assert things.names() == ["own", "abc", "zip"]
    assert things.load("own") == "ours"


def test_a_package_is_loaded_when_it_is_asked_for() -> None:
    import os

    things = registry(("sep", "os:sep"), ("broken", "no_such_package:x"))
    assert things.load("sep") == os.sep


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sepp", "did you mean sep?"),
        ("", "one of own, broken, missing, sep, twice"),
        ("broken", "No module named 'no_such_package'"),
        ("missing", "has no attribute 'nothing'"),
        ("twice", "os:sep and os:sep2 do"),
    ],
)
def test_what_cannot_be_loaded_is_named(name: str, said: str) -> None:
    entries = [("sep", "os:sep"), ("broken", "no_such_package:x"), ("missing", "os:nothing")]
    entries += [("twice", "os:sep"), ("twice", "os:sep2")]
    with pytest.raises(InputError, match="--thing") as error:
        registry(*entries).load(name)
    assert said in str(error.value).replace('"', "'")
