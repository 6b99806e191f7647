"""`remora schema command` and `template`: they accept what the driver accepts, and refuse what it refuses."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.execute.drivers.command.location import LOCATION
from optimizer.execute.drivers.command.template import DIRECTORY, TEMPLATE
from optimizer.sources.kinds import check
from tests.command_line import run
from tests.sources.mutations import mutate
from tests.sources.schema_judge import valid

GIVEN: dict[str, Any] = {
    "format": "remora-command/1",
    "template": "virsh",
    "fleet": "nyc3",
    "hosts": {"h1": {"uri": "qemu+tls://h1.example/system"}},
    "set": {"bandwidth": "500"},
    "environment": {"OS_PASSWORD": {"file": "/etc/remora/openstack-password"}},
    "through": ["ssh", "root@pve1"],
    "settles_s": 60,
    "output_mib": 16,
}
TEMPLATES = sorted(DIRECTORY.glob("*.yaml"))


def schema(document: str) -> Any:
    outcome = run("schema", document)
    assert outcome.code == 0
    return json.loads(outcome.out)


def test_a_location_file_and_the_templates_that_are_shipped_are_valid() -> None:
    assert valid(schema("command"), GIVEN)
    assert len(TEMPLATES) == 3
    form = schema("template")
    for template in TEMPLATES:
        assert valid(form, yaml.safe_load(template.read_text())), template


@pytest.mark.slow
@pytest.mark.parametrize("which", ["command", "template"])
def test_what_is_damaged_is_judged_as_the_driver_does(which: str) -> None:
    """200 damaged documents of each: the schema and the reader agree on the form of every one."""
    form, record = schema(which), LOCATION if which == "command" else TEMPLATE
    refused = 0
    for seed in range(200):
        rng = Random(seed)
        good = GIVEN if which == "command" else yaml.safe_load(rng.choice(TEMPLATES).read_text())
        document = mutate(deepcopy(good), rng)
        try:
            check(record, document, "x.yaml")
            right = True
        except InputError:
            right = False
        assert valid(form, document) == right, (seed, document)
        refused += not right
    assert refused > 40
