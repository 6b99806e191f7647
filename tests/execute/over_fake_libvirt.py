"""The libvirt driver over a stand-in for the module, and a wait for what its threads do."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.execute.drivers.libvirt import LibvirtDriver
from optimizer.execute.states import ENDED
from optimizer.sources.libvirt.hosts import hosts_of
from tests.execute.plans import line_fleet, move, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import JobReading, Request
    from optimizer.fleet import Fleet
    from tests.execute.fake_libvirt import World

__all__ = ["FLEET", "driver_of", "ended", "request", "until"]

FLEET = line_fleet(vms=2, hosts=4)


def driver_of(world: World, fleet: Fleet = FLEET, **more: Any) -> LibvirtDriver:
    uris = {host: {"uri": f"qemu+tls://{host}/system"} for host in world.hosts}
    uris |= more.pop("hosts", {})
    document = {"format": "remora-libvirt/1", "deadline_s": 0.5, "hosts": uris} | more
    return LibvirtDriver(fleet, hosts_of(document, "hosts.yaml"), world.module())


def request(vm: str = "v0", source: str = "h0", target: str = "h2") -> Request:
    return replace(request_of(move(FLEET, 1, vm, source, target)), since=SystemClock().now())


def until(ask: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return the first answer that is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.005)
    raise AssertionError("it does not happen")


def ended(driver: LibvirtDriver, asked: Request) -> JobReading:
    def look() -> JobReading | None:
        job = driver.observe(asked)
        return job if job is not None and job.state in ENDED else None

    found: JobReading = until(look)
    return found
