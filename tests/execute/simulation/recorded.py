"""The driver of the simulation: it writes down each call, and shows what others have done to VMs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.execute.drivers.faults import FaultyDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Request

__all__ = ["Recorded"]


class Recorded(FaultyDriver):
    """Writes down each call of `submit` and `abort`, before and after."""

    note: Callable[..., None]
    history: list[dict[str, Any]]
    snapshot_at: float
    read_at: dict[str, float]
    resized: dict[str, int]

    def read_host(self, host: str) -> Any:
        reading = super().read_host(host)
        self.read_at[host] = self._skewed.seconds
        return reading

    def read_vm(self, vm: str) -> Any:
        reading = super().read_vm(vm)
        if reading is not None and vm in self.resized:
            return replace(reading, demand={r: d + self.resized[vm] for r, d in reading.demand.items()})
        return reading

    def submit(self, request: Request) -> str:
        asked = {
            name: getattr(request, name) for name in ("plan", "move", "attempt", "vm", "source", "target", "epoch")
        }
        known_s = self._skewed.seconds - min(self.read_at.get(h, self.snapshot_at) for h in self._fleet.hosts.ids)
        self.note("submit", token=request.token, known_s=known_s, **asked)
        started = len(self.history)
        try:
            return super().submit(request)
        except Exception as error:
            if type(error).__name__ == "MoveRefused" and len(self.history) == started:
                self.note("refused", token=request.token)
            raise

    def abort(self, request: Request) -> None:
        self.note("abort", token=request.token, plan=request.plan)
        super().abort(request)
