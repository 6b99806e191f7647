"""The driver and the source of CONTRIBUTING, run: they keep to the contracts as those that are registered do."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.fleet import HostState, Mobility, VmState
from tests.execute import driver_contract
from tests.sources import source_contract
from tests.test_documents import worked_example

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet

PROGRAM = r"""#!/usr/bin/env python3
import json, os, sys, time
from pathlib import Path
here = Path(__file__).parent
verb, *names = sys.argv[1:]
vms, hosts = (json.loads((here / f"{what}.json").read_text()) for what in ("vms", "hosts"))
for vm in vms:
    vms[vm]["host"] = (here / "at" / vm).read_text()
if verb == "vm":
    print(json.dumps(vms.get(names[0])))
elif verb == "host":
    on = [vm for vm in vms if vms[vm]["host"] == names[0]]
    print(json.dumps(dict(hosts[names[0]], vms=on) if names[0] in hosts else None))
elif verb == "migrating":
    print("[]")
elif verb == "migrate":
    time.sleep(1 + os.getloadavg()[0] / 4)  # on a busy machine the questions meanwhile take longer, too
    (here / "at" / names[0]).write_text(names[2])
"""


def module_of(section: str) -> Any:
    module = types.ModuleType("example")
    exec(compile(worked_example(section), "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


def program(fleet: Fleet, directory: Path) -> str:
    """Write a program that knows this fleet, and return its path."""
    names = [r.name for r in fleet.resources]
    vms = {
        vm: {
            "state": VmState(fleet.vms.state[v]).name.lower(),
            "mobility": Mobility(fleet.vms.mobility[v]).name.lower(),
            "demand": dict(zip(names, fleet.vms.demand[v].tolist(), strict=True)),
            "moving_to": None,
        }
        for v, vm in enumerate(fleet.vms.ids)
    }
    hosts = {
        host: {
            "state": HostState(fleet.hosts.state[h]).name.lower(),
            "capacity": {n: c for n, c in zip(names, fleet.hosts.capacity[h].tolist(), strict=True) if c >= 0},
            "busy": [],
        }
        for h, host in enumerate(fleet.hosts.ids)
    }
    (directory / "at").mkdir(parents=True)
    for v, vm in enumerate(fleet.vms.ids):
        (directory / "at" / vm).write_text(fleet.hosts.ids[fleet.vms.host[v]])
    (directory / "vms.json").write_text(json.dumps(vms))
    (directory / "hosts.json").write_text(json.dumps(hosts))
    path = directory / "program"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("check", driver_contract.CHECKS)
def test_the_driver_of_the_page_keeps_to_the_contract(check: Callable[..., None], tmp_path: Path) -> None:
    module = module_of("How to add a driver")
    opened: list[str] = []

    def open_(fleet: Fleet) -> Driver:
        opened.append(program(fleet, tmp_path / str(len(opened))))
        driver: Driver = module.open_program(fleet, DriverSettings(where=opened[-1]))
        return driver

    check(open_)
    for settings in (DriverSettings(), DriverSettings(where="x", fail=("m0001",))):
        with pytest.raises(InputError):
            module.open_program(driver_contract.FLEET, settings)


@pytest.mark.parametrize("check", source_contract.CHECKS)
def test_the_source_of_the_page_keeps_to_the_contract(check: Callable[..., None], tmp_path: Path) -> None:
    place = tmp_path / "inventory.txt"
    place.write_text("host h1 65536\nhost h2 65536\nvm v1 h1 4096\nvm v2 h2 8192\n")
    check(module_of("How to add a source").read_lines, place)
