"""Every section of `remora.yaml`, and a file that is checked whole before any of it is used.

A command reads the sections that it needs. A misspelt field in another one would be found only by the command that
needs that: perhaps by a service at night. So each file is judged whole. What is judged is the file alone: whether the
files, variables, policies, drivers and servers that it names are there is found out by whoever needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.execute.journeys import JourneysPart
from optimizer.monitors.config import MonitorsPart, always, refuse_same_names
from optimizer.service.config import service_config
from optimizer.service.endpoint import MetricsPart
from optimizer.service.logs import LogPart
from optimizer.service.notify.config import NotifyPart
from optimizer.service.page.config import ServePart, check_listen
from optimizer.signals.config import InventoryPart, SignalsPart, wanted_signals
from optimizer.signals.past import GrowthPart
from optimizer.signals.series_reading import InterferencePart
from optimizer.sources.config_yaml import read_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optimizer.sources.config_yaml import Config

__all__ = ["PARTS", "check_sections", "read_checked"]

PARTS: Mapping[str, type[Any]] = {
    "inventory": InventoryPart,
    "signals": SignalsPart,
    "interference": InterferencePart,
    "monitors": MonitorsPart,
    "journeys": JourneysPart,
    "growth": GrowthPart,
    "notify": NotifyPart,
    "serve": ServePart,
    "metrics": MetricsPart,
    "log": LogPart,
}
"""The sections that one dataclass describes; `policy`, `ledger`, `driver`, `cycle` and `automation` are judged by
`service_config`, since some of them may be one text."""


def read_checked(path: str | Path) -> Config:
    """Read a configuration, and judge every section of it.

    Raises
    ------
    InputError
        It cannot be read, or a field of any section is not known or has a wrong value.
    """
    config = read_config(path)
    check_sections(config)
    return config


def check_sections(config: Config) -> None:
    """Judge every section, without looking at anything beside the file.

    Raises
    ------
    InputError
        With the path of the field that is wrong.
    """
    service_config(config)
    parts = {name: config.section(name, kind) for name, kind in PARTS.items()}
    wanted_signals(config, parts["signals"])
    monitors = parts["monitors"]
    refuse_same_names(always(monitors), config.where)
    check_listen(config.where, parts["serve"])
