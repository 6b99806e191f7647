"""The small fleets that the commands are tried on."""

from __future__ import annotations

from tests import build


def document(**more):
    """h0 is over its memory and one move repairs it; h1 is full, so that only h2 can take one of v0, v1."""
    hosts = [build.host(f"h{n}", cpu=8000, memory=1000, disk=5000) for n in range(3)]
    vms = [
        build.vm("v0", "h0", cpu=1000, memory=600, disk=10),
        build.vm("v1", "h0", cpu=1000, memory=600, disk=10),
        build.vm("v2", "h1", cpu=1000, memory=900, disk=10),
    ]
    return build.document(hosts, vms, **more)


def hopeless():
    """h0 is over its memory, and there is nowhere to go."""
    hosts = [build.host("h0", memory=1000), build.host("h1", memory=100)]
    return build.document(hosts, [build.vm("v0", "h0", memory=600), build.vm("v1", "h0", memory=600)])
