"""The page on documents: its examples are read, and its table of defaults is the checker's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

from optimizer.sources.fleet_fields import FLEET
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.schema import defaults_table

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")


def test_json_examples_are_fleets() -> None:
    found = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    for text in found:
        assert fleet_from_document(json.loads(text), "docs/formats.md").hosts.ids == ("h0",)


def test_the_table_of_defaults_is_complete() -> None:
    section = PAGE.split("### Defaults")[1].split("### ")[0]
    rows = [
        tuple(cell.strip().strip("`") for cell in line.split("|")[1:-1])
        for line in section.splitlines()
        if "| `" in line
    ]
    assert rows == [tuple(row) for row in defaults_table(FLEET)]


def test_every_schema_is_named() -> None:
    for tag in ("fleet", "plan", "policy", "overlay", "mapping"):
        assert f"`remora-{tag}/1`" in PAGE
