"""Thousands of random damages to each format: a document is read, or refused with an `InputError`; nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer.errors import InputError
from optimizer.sources import csv_table
from optimizer.sources import overlay as overlay_module
from optimizer.sources.files import parse_json
from optimizer.sources.fleet_csv import import_csv
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.overlay import apply_overlay, overlaid
from optimizer.sources.plan_json import plan_document, plan_from_document
from optimizer.sources.policy_yaml import policy_from_document
from optimizer.sources.safe_yaml import load_yaml
from tests.sources.mutations import mutate, mutate_bytes
from tests.sources.samples import FLEET_TEXT, OVERLAY, PLAN_TEXT, full_fleet
from tests.sources.test_fleet_csv import GROUPS, HOSTS, VMS

if TYPE_CHECKING:
    from collections.abc import Callable

MUTATIONS, CHUNKS = 320, 16
"""For each format in each chunk; four of five damage the parsed document, one the bytes."""

OVERLAY_OBJECT = load_yaml(OVERLAY.encode(), "x")
DOLPHIN = SHIPPED["dolphin"].read_bytes()


def outcome(read: Callable[[], object], number: int) -> bool:
    """Say whether it was read; anything but success and `InputError` fails the test, with the number to repeat it."""
    try:
        read()
    except InputError as error:
        assert str(error).isprintable(), number
        assert error.where, number
        return False
    except Exception as error:
        raise AssertionError(f"mutation {number}: {error!r}") from error
    return True


def read_fleet(document: object) -> None:
    """A fleet that was let in holds together."""
    fleet = fleet_from_document(document, "x")
    assert fleet.unexplained.shape == fleet.hosts.capacity.shape == (len(fleet.hosts), len(fleet.resources))
    assert (fleet.hosts.domain >= 0).all()
    assert (fleet.vms.host < len(fleet.hosts)).all()
    assert (fleet.vms.demand >= 0).all()
    assert len(fleet.group_index) == len(fleet.groups)


def read_plan(document: object) -> None:
    """A plan that was let in is written and read again."""
    plan = plan_from_document(document, "x")
    assert plan_from_document(plan_document(plan), "x") == plan


READERS: dict[str, tuple[Any, Callable[[object], object], str]] = {
    "fleet": (full_fleet(), read_fleet, FLEET_TEXT),
    "plan": (json.loads(PLAN_TEXT), read_plan, PLAN_TEXT),
    "overlay": (
        OVERLAY_OBJECT,
        lambda overlay: fleet_from_document(overlaid(full_fleet(), overlay, "x", lambda _: None), "x"),
        "",
    ),
}


def in_chunks(test: Callable[..., None]) -> Callable[..., None]:
    """The first of the chunks always, of the others those whose turn it is."""
    others = (pytest.param(chunk, marks=pytest.mark.rotating) for chunk in range(1, CHUNKS))
    return pytest.mark.slow(pytest.mark.parametrize("chunk", [0, *others])(test))


@in_chunks
@pytest.mark.parametrize("name", READERS)
def test_damaged_documents(name: str, chunk: int) -> None:
    sample, read, _ = READERS[name]
    random, text, good = Random(f"{name} {chunk}"), json.dumps(sample), 0
    for number in range(MUTATIONS * 4 // 5):
        damaged = mutate(json.loads(text), random)
        good += outcome(partial(read, damaged), number)
    assert 0.05 < good / MUTATIONS < 0.6


@pytest.mark.parametrize("name", ["fleet", "plan"])
def test_damaged_bytes(name: str) -> None:
    _, read, text = READERS[name]
    random, data, good = Random(name), orjson.dumps(orjson.loads(text)), 0
    for number in range(MUTATIONS):
        damaged = mutate_bytes(data, random)
        good += outcome(partial(lambda raw: read(parse_json(raw, "x")), damaged), number)
    assert 0 < good < MUTATIONS // 2


@in_chunks
def test_damaged_policies(chunk: int) -> None:
    random, good = Random(f"policy {chunk}"), 0
    text = json.dumps(load_yaml(DOLPHIN, "x"))
    for number in range(MUTATIONS * 4 // 5):
        damaged = mutate(json.loads(text), random)
        good += outcome(partial(read_policy_document, damaged), number)
    assert 0.02 < good / MUTATIONS < 0.6
    for number in range(MUTATIONS // 5):
        raw = mutate_bytes(DOLPHIN, random)
        outcome(partial(lambda data: read_policy_document(load_yaml(data, "x")), raw), number)


def read_policy_document(document: object) -> None:
    """A policy that was let in has rules with names."""
    for rule in policy_from_document(document, "x", CATALOGUE).rules:
        assert rule.name


@in_chunks
def test_damaged_overlay_files(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random, good = Random(f"yaml {chunk}"), 0
    for number in range(MUTATIONS):
        damaged = mutate_bytes(OVERLAY.encode(), random)
        monkeypatch.setattr(overlay_module, "read_bytes", lambda path, damaged=damaged: damaged)
        good += outcome(lambda: apply_overlay(full_fleet(), "o.yaml", lambda _: None), number)
    assert 0 < good < MUTATIONS // 2


@in_chunks
def test_damaged_csv_files(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random, good = Random(f"csv {chunk}"), 0
    files = {"hosts": HOSTS.encode(), "vms": VMS.encode(), "groups": GROUPS.encode()}
    at = datetime(2026, 11, 21, tzinfo=UTC)
    for number in range(MUTATIONS):
        name = random.choice(list(files))
        damage = mutate_bytes if random.random() < 0.3 else mutate_cell
        damaged = files | {name: damage(files[name], random)}
        monkeypatch.setattr(csv_table, "read_bytes", damaged.__getitem__)
        good += outcome(lambda: import_csv("hosts", "vms", "groups", fleet_id="ny", taken_at=at), number)
    assert MUTATIONS // 20 < good < MUTATIONS // 2


def mutate_cell(data: bytes, random: Random) -> bytes:
    """Put something else into one cell."""
    rows = [line.split(",") for line in data.decode().split("\n")]
    row = random.choice([row for row in rows if len(row) > 1])
    junk = [
        "",
        "h0",
        "v0",
        "1",
        "-1",
        "1e9",
        "0.5",
        "64GiB",
        "nan",
        "true",
        "a;b",
        "a;a",
        "\x1b",
        '"',
        "9" * 50,
        "x_y",
        "id",
    ]
    row[random.randrange(len(row))] = random.choice(junk)
    return "\n".join(",".join(row) for row in rows).encode()
