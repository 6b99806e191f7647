"""Every registered driver keeps to the contract; one that has no way to be opened here fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.execute.drivers.registry import DRIVERS, DriverSettings
from tests.execute.driver_contract import CHECKS, FLEET

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet

SETTINGS: dict[str, Callable[[], DriverSettings]] = {"simulated": DriverSettings}
"""For each driver, what it has to be told so that it reaches a stand-in of FLEET."""


@pytest.mark.parametrize("name", DRIVERS.names())
@pytest.mark.parametrize("check", CHECKS)
def test_every_driver_keeps_to_the_contract(name: str, check: Callable[..., None]) -> None:
    assert name in SETTINGS, f"say in SETTINGS how the driver {name} is opened in tests"

    def open_(fleet: Fleet) -> Driver:
        return DRIVERS.load(name)(fleet, SETTINGS[name]())

    check(open_)


def test_the_simulated_driver_reaches_nothing() -> None:
    with pytest.raises(InputError, match="--location"):
        DRIVERS.load("simulated")(FLEET, DriverSettings(where="qemu:///system"))


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
