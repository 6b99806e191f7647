"""The lab: started once for all tests of a process, its guests made anew by each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from optimizer.sources.libvirt.hypervisor import load_libvirt
from tests.lab.hosts import Lab, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = ("h0", "h1", "h2", "h3", "h4")


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    """The hosts; skipped where they cannot be, but not in silence where CI has the packages."""
    why, packages = missing()
    if why and packages and os.environ.get("CI") == "true" and "lab" not in os.environ.get("REMORA_WITHOUT", ""):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    load_libvirt("lab")
    lab = Lab(*HOSTS)
    yield lab
    lab.close()


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    """The hosts without a guest."""
    running_lab.clear()
    yield running_lab
    running_lab.clear()
