"""Opens the driver against programs that seem to migrate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from optimizer.execute.drivers.settings import DriverSettings
from optimizer.fleet import ABSENT
from tests.execute.command.fake_programs import install, new_world

if TYPE_CHECKING:
    import pytest

    from optimizer.fleet import Fleet

__all__ = ["TEMPLATES", "settings_of"]

TOY = Path(__file__).with_name("toy.yaml")
TEMPLATES = ("toy", "virsh", "qm", "openstack")


def settings_of(
    template: str, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, directory: Path, seconds: float = 2.0, **more: Any
) -> DriverSettings:
    """Write a world as the fleet has it, the programs and a location file; return how the driver is opened."""
    home = directory / "bin"
    install(home)
    vms, names = fleet.vms, fleet.hosts.ids
    places = {vm: names[h] for vm, h in zip(vms.ids, vms.host.tolist(), strict=True) if h != ABSENT}
    new_world(home, list(names), places, seconds=seconds)
    if not os.environ["PATH"].startswith(f"{home}{os.pathsep}"):
        monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    location: dict[str, Any] = {"format": "remora-command/1", "template": str(TOY) if template == "toy" else template}
    if template == "virsh":
        location["hosts"] = {host: {"uri": f"qemu+fake://{host}/system"} for host in names}
    location |= {"fresh_s": 0, "settles_s": 2} | more
    path = directory / "location.yaml"
    path.write_text(yaml.safe_dump(location))
    return DriverSettings(str(path))
