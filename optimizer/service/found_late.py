"""How long after an event begins its imbalance opens at worst, by the settings; and which monitors are too slow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.monitors.config import MonitorsPart, pressure_monitors
from optimizer.report.words import duration
from optimizer.signals.config import SignalsPart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.monitors.pressure import Psi, VcpuWait
    from optimizer.service.config import CyclePart, ServiceConfig

__all__ = ["found_after_s", "found_late"]

WINDOWS = 2
"""An event is to be found within that many windows of the signals."""


def found_late(settings: ServiceConfig, *, once: bool = False) -> Iterator[str]:
    """Yield a line for each monitor of pressure that may find an event later than two windows after it began.

    Monitors of other kinds do not look at windows, and fleets without section `signals` are not read at set times.

    Parameters
    ----------
    once
        Only cycles are made, by somebody else's clock, every `cycle.every_s` seconds as far as is known.
    """
    if not settings.config.has("signals"):
        return
    signals = settings.config.section("signals", SignalsPart)
    within_s = WINDOWS * signals.window_s
    cycle = replace(settings.cycle, watch_every_s=None) if once else settings.cycle
    for monitor in pressure_monitors(settings.config.section("monitors", MonitorsPart)):
        after_s = found_after_s(monitor, signals, cycle)
        if after_s > within_s:
            yield (
                f"{monitor.name} may open only {duration(after_s)} after what it watches for began, later than "
                f"{WINDOWS} windows ({duration(within_s)}): {_advice(monitor, signals, within_s, once=once)}"
            )


def found_after_s(monitor: Psi | VcpuWait, signals: SignalsPart, cycle: CyclePart) -> float:
    """Return the seconds from the first sample over the limit to the open imbalance, at worst, if no sample is missing.

    A window's quantile is over the limit once a share 1 - quantile of the window is; the next look is up to an interval
    later; then it has to be bad for `open_after_s`. Where nothing is watched between cycles, that ends at a cycle.
    """
    crosses_s = _crosses_s(signals)
    look_s = cycle.every_s * (1.0 + cycle.jitter)
    if cycle.watch_every_s is None:
        return crosses_s + look_s * (1 + math.ceil(monitor.open_after_s / look_s))
    return crosses_s + min(cycle.watch_every_s, look_s) + monitor.open_after_s


def _advice(monitor: Psi | VcpuWait, signals: SignalsPart, within_s: float, *, once: bool) -> str:
    left_s = math.floor(within_s - _crosses_s(signals) - monitor.open_after_s)
    if left_s < 1:
        return f"with its open_after_s, {monitor.open_after_s}, no interval of a second or more is short enough"
    if once:  # a look to see it, and less than another until it has been bad for long enough (none, if of 1 s)
        every_s = max(1, left_s // 2)
        return f"make a cycle at least every {every_s} s, and say so in cycle.every_s (with cycle.jitter 0)"
    return f"set cycle.watch_every_s to at most {left_s}"


def _crosses_s(signals: SignalsPart) -> float:
    """Return the seconds until a window's quantile is over the limit, without what the binary share is off by."""
    return round((1.0 - signals.quantile) * signals.window_s, 6)
