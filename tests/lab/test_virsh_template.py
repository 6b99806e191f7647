"""The driver `command` with the template `virsh` on real hosts: the contract of drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from optimizer.execute.drivers.command import open_command
from optimizer.execute.drivers.settings import DriverSettings
from tests.execute.driver_contract import CHECKS, FLEET
from tests.lab.test_libvirt_hosts import guests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet
    from tests.lab.hosts import Lab

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("check", CHECKS)
def test_the_template_keeps_to_the_contract_on_real_hosts(check: Callable[..., None], lab: Lab, tmp_path: Path) -> None:
    def open_(fleet: Fleet) -> Driver:
        lab.clear()
        guests(lab, *FLEET.vms.ids)
        hosts = {h: {"uri": lab.uri(h), "migration_uri": f"qemu+tcp://{lab.ip(h)}/system"} for h in lab.names}
        slow = {"unsafe": "yes", "bandwidth": "4"}  # so that both ends are read before a copy is over
        location = {"format": "remora-command/1", "template": "virsh", "set": slow, "hosts": hosts}
        path = tmp_path / "location.yaml"
        path.write_text(yaml.safe_dump(location))
        return open_command(fleet, DriverSettings(str(path)))

    check(open_)
