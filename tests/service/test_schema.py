"""`remora schema config` and the reader of `remora.yaml` say the same."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.service.schema import OWN, config_schema
from optimizer.service.sections import check_sections
from optimizer.sources.config_yaml import SECTIONS, config_from_document
from tests.command_line import run
from tests.documents import EXAMPLES
from tests.service.test_sections import WRONG as WRONG_SECTIONS
from tests.sources.mutations import JUNK, mutate
from tests.sources.schema_judge import valid
from tests.sources.test_empty import inlined

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG: tuple[Any, ...] = (*JUNK[:-1], "yes", "5", -7, 2.5, ["host"], {"x": 1}, [{"x": 1}], "default", "http://a:1")
FULL: dict[str, Any] = {
    "format": "remora-config/1",
    "x_site": {"mine": [1]},
    "inventory": {"sql": {"url": "sqlite:///a.db", "hosts": "select 1", "vms": "select 2"}, "x_note": "mine"},
    "signals": {"prometheus": {"url": "http://p:9090", "x_b": 1}, "exporters": ["node"], "window_s": 600},
    "interference": {"score_from": 0.1},
    "monitors": {"watch": [{"monitor": "psi", "resource": "io"}, {"monitor": "vcpu_wait"}], "gap_s": 900},
    "journeys": {"from_ledger": True},
    "growth": {"days": 30},
    "policy": "default",
    "ledger": {"place": "l.sqlite"},
    "driver": "simulated",
    "cycle": {"every_s": 300, "watch_every_s": None, "plan_when": "open", "workers": 2},
    "automation": {"level": "observe"},
    "notify": {"webhooks": [{"url": "http://a"}]},
    "serve": {"listen": "127.0.0.1:9480", "names": ["remora.example.net"]},
    "metrics": {"listen": "127.0.0.1:9479"},
    "log": {"format": "json"},
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return inlined(config_schema())


def reads(document: Any) -> bool:
    """Whether the reader takes a document."""
    try:
        check_sections(config_from_document(document, "remora.yaml"))
    except InputError:
        return False
    return True


def test_the_schema_has_every_section_and_the_command_prints_it() -> None:
    assert set(config_schema()["properties"]) == {"format", *SECTIONS}
    assert run("schema", "config").json == json.loads(json.dumps(config_schema()))


def test_what_is_right_is_valid(schema: Any) -> None:
    for document in (FULL, {}, dict.fromkeys(SECTIONS), yaml.safe_load((EXAMPLES / "remora.yaml").read_text())):
        assert reads(document)
        assert valid(schema, document), document


def fields(schema: Any) -> Iterator[dict[str, Any]]:
    """Every section with some wrong values in each of its fields, with one that is misspelt, and as a whole."""
    random, definitions = Random(5), schema["$defs"]
    for section in SECTIONS:
        yield from ({section: value} for value in random.sample(WRONG, 8))
        for name in (*definitions[OWN[section].__name__]["properties"], "misspelt"):
            yield from ({section: {name: value}} for value in random.sample(WRONG, 8))


@pytest.mark.slow
def test_what_the_schema_refuses_the_reader_refuses(schema: Any) -> None:
    """Each value in each field. Not the other way round: what fields mean together only the reader knows."""
    refused = taken = 0
    for document in fields(config_schema()):
        if "\\ud8" in json.dumps(document):  # a lone surrogate is not UTF-8: no schema speaks of it
            continue
        if valid(schema, document):
            taken += reads(document)
        else:
            refused += 1
            assert not reads(document), document
    assert refused > 500
    assert taken > 50


MISSPELT = [one for one, field, hint in WRONG_SECTIONS if "did you mean" in hint and not field.endswith("]")]
"""But for names among the entries of a list, which only a registry knows."""


@pytest.mark.parametrize("sections", MISSPELT)
def test_misspelt_fields_are_not_valid(schema: Any, sections: Any) -> None:
    assert not valid(schema, sections)


@pytest.mark.slow
def test_damaged_configurations(schema: Any) -> None:
    random, refused = Random(7), 0
    for number in range(400):
        document = mutate(deepcopy(FULL), random)
        if "\\ud8" not in json.dumps(document) and not valid(schema, document):
            refused += 1
            assert not reads(document), number
    assert refused > 100
