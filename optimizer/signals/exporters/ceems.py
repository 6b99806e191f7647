"""CEEMS: PSI of each VM by its cgroup.

VMs with a CPU quota wait for that as well: `signals.queries` can leave them out.
"""

from __future__ import annotations

from optimizer.signals.signal import Exporter, Join, Signal

__all__ = ["CEEMS"]


def _psi(kind: str) -> Signal:
    counter = f"ceems_compute_unit_{kind}_psi_seconds"
    return Signal(
        f"vm.pressure.{kind}",
        f"quantile_over_time({{quantile}}, (max by ({{vm}}) (rate({counter}[{{rate}}])))[{{window}}:{{step}}])",
        counter,
        needed=False,
        advice="let ceems_exporter run with its libvirt collector, on hosts booted with psi=1",
    )


CEEMS = Exporter(
    "ceems",
    (_psi("cpu"), _psi("memory")),
    host=Join("instance", pattern=r"^(.+?)(?::\d+)?$"),
    vm=Join("uuid"),
)
