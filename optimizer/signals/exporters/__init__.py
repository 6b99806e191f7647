"""Working defaults for the exporters that are in use, one exporter a file: names as their own pages have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.signals.exporters.ceems import CEEMS
from optimizer.signals.exporters.libvirt import INOVEX, TINKOFF, WAITING
from optimizer.signals.exporters.node import NODE
from optimizer.signals.exporters.pve import PVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.signals.signal import Exporter

__all__ = ["EXPORTERS"]

EXPORTERS: Mapping[str, Exporter] = {
    exporter.name: exporter for exporter in (NODE, INOVEX, WAITING, TINKOFF, CEEMS, PVE)
}
"""Every exporter by its name in a configuration."""
