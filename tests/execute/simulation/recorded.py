"""The drivers of the simulation: each call is written down, and what others have done to VMs is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.execute.drivers.agents import AgentsDriver
from optimizer.execute.drivers.faults import FaultyDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.execute.drivers import Request
    from optimizer.execute.drivers.faults import SkewedClock

__all__ = ["Hypervisors", "Noting", "OfAgent", "OverAgents", "Recorded"]


class Hypervisors(FaultyDriver):
    """The simulated hypervisors, whose VMs others may have resized."""

    resized: dict[str, int]

    def read_vm(self, vm: str) -> Any:
        reading = super().read_vm(vm)
        if reading is not None and vm in self.resized:
            return replace(reading, demand={r: d + self.resized[vm] for r, d in reading.demand.items()})
        return reading


class OfAgent(Hypervisors):
    """As the agent of one host has them: it writes down what the agent asks for."""

    note: Callable[..., None]

    def submit(self, request: Request) -> str:
        self.note("asked", token=request.token, host=request.source, epoch=request.epoch)
        return super().submit(request)


class Noting:
    """Writes down each call of `submit` and `abort` of an executor, before and after."""

    note: Callable[..., None]
    history: list[dict[str, Any]]
    snapshot_at: float
    read_at: dict[str, float]
    of_hosts: Sequence[str]
    real: SkewedClock

    def read_host(self, host: str) -> Any:
        reading = super().read_host(host)  # type: ignore[misc]
        self.read_at[host] = self.real.seconds
        return reading

    def submit(self, request: Request) -> str:
        asked = {
            name: getattr(request, name) for name in ("plan", "move", "attempt", "vm", "source", "target", "epoch")
        }
        known_s = self.real.seconds - min(self.read_at.get(h, self.snapshot_at) for h in self.of_hosts)
        self.note("submit", token=request.token, known_s=known_s, **asked)
        started = len(self.history)
        try:
            job: str = super().submit(request)  # type: ignore[misc]
        except Exception as error:
            if type(error).__name__ == "MoveRefused" and len(self.history) == started:
                self.note("refused", token=request.token)
            raise
        return job

    def abort(self, request: Request) -> None:
        self.note("abort", token=request.token, plan=request.plan)
        super().abort(request)  # type: ignore[misc]


class Recorded(Noting, Hypervisors):
    """The executor calls the hypervisors by itself."""


class OverAgents(Noting, AgentsDriver):
    """The executor gives its orders to the gateway."""
