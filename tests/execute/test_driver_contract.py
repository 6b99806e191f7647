"""Every registered driver keeps to the contract; one that has no way to be opened here fails."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.execute.drivers.registry import DRIVERS
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.execute.drivers.simulated import SimulatedDriver
from tests.execute.agents.running import agents, gateway
from tests.execute.command.stand_in import settings_of
from tests.execute.driver_contract import CHECKS, FLEET
from tests.execute.fake_libvirt import world_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet


def _simulated(monkeypatch: pytest.MonkeyPatch, directory: Path) -> DriverSettings:
    return DriverSettings()


def _libvirt(monkeypatch: pytest.MonkeyPatch, directory: Path) -> DriverSettings:
    """A stand-in for the module; `tests/lab` asks the same of real hosts."""
    world = world_of(FLEET)
    world.seconds = 0.5  # a check that reads both ends on the way has to be in time on a busy machine too
    monkeypatch.setitem(sys.modules, "libvirt", world.module())
    path = directory / "hosts.json"
    hosts = {host: {"uri": f"qemu+tls://{host}/system"} for host in FLEET.hosts.ids}
    path.write_text(json.dumps({"format": "remora-libvirt/1", "hosts": hosts}))
    return DriverSettings(where=str(path))


def _agents(monkeypatch: pytest.MonkeyPatch, directory: Path) -> DriverSettings:
    """A gateway on a real socket, and agents of simulated hypervisors; they end with the test."""
    stack = ExitStack()
    monkeypatch.setattr(f"{__name__}.RUNNING", (*RUNNING, stack))
    here = Path(tempfile.mkdtemp(dir=directory))
    url = stack.enter_context(gateway(str(here / "ledger.sqlite")))
    stack.enter_context(agents(SimulatedDriver(FLEET), url, here / "agents"))
    path = here / "agents.json"
    path.write_text(json.dumps({"format": "remora-agents/1", "gateway": url}))
    return DriverSettings(where=str(path))


RUNNING: tuple[ExitStack, ...] = ()
"""What runs beside the driver of a test."""


def _command(monkeypatch: pytest.MonkeyPatch, directory: Path) -> DriverSettings:
    """A program that prints JSON; `tests/execute/command` asks the same of every template."""
    return settings_of("toy", FLEET, monkeypatch, directory)


SETTINGS: dict[str, Callable[[pytest.MonkeyPatch, Path], DriverSettings]] = {
    "simulated": _simulated,
    "libvirt": _libvirt,
    "command": _command,
    "agents": _agents,
}
"""For each driver, what it has to be told so that it reaches a new stand-in of FLEET."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("command", "agents") else n for n in DRIVERS.names()]
)
@pytest.mark.parametrize("check", CHECKS)
def test_every_driver_keeps_to_the_contract(
    name: str, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert name in SETTINGS, f"say in SETTINGS how the driver {name} is opened in tests"

    def open_(fleet: Fleet) -> Driver:
        return DRIVERS.load(name)(fleet, SETTINGS[name](monkeypatch, tmp_path))

    try:
        check(open_)
    finally:
        for running in RUNNING:
            running.close()


def test_the_simulated_driver_reaches_nothing() -> None:
    with pytest.raises(InputError, match="--location"):
        DRIVERS.load("simulated")(FLEET, DriverSettings(where="qemu:///system"))


@pytest.mark.parametrize("where", ["faults", "faults:", "faults:x", "faults:-1", "other:1"])
def test_faults_want_a_seed(where: str) -> None:
    with pytest.raises(InputError, match="faults:SEED"):
        DRIVERS.load("simulated")(FLEET, DriverSettings(where=where))


def test_the_contract_can_fail() -> None:
    """A driver that says done and did nothing is found out."""
    from optimizer.execute.drivers.simulated import SimulatedDriver

    class Liar(SimulatedDriver):
        def read_vm(self, vm: str):
            return SimulatedDriver(FLEET).read_vm(vm)

    failed = 0
    for check in CHECKS:
        try:
            check(Liar)
        except AssertionError:
            failed += 1
    assert failed >= 2
