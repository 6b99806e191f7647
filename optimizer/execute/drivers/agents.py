"""Migrates through agents on the hypervisors, which fetch their orders from a gateway (`remora gateway`).

`--location` names a file (`remora-agents/1`) with the gateway's address and this executor's token.

==============================================================  ==============================================
the gateway says                                                state
==============================================================  ==============================================
waiting, claimed                                                accepted
preparing, copying, switching (as the agent's driver says)      the same
done or failed, one end has not looked since                    switching
done                                                            done
failed (temporary or permanent)                                 failed (temporary or permanent)
the lease of the claim ran out                                  cannot be read, so unknown; known again once
                                                                the agent reports
unknown: the agent cannot tell                                  cannot be read, so unknown
no such order                                                   no job: what became of it, `read_vm` shows
==============================================================  ==============================================

An order that no agent takes within `begin_within_s` fails, and none can take it after that. One that an agent has taken
is given to no other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.agents.client import Client, GatewayDown, GatewayRefused
from optimizer.execute.agents.tokens import read_token
from optimizer.execute.drivers import (
    HostReading,
    JobReading,
    MoveRefused,
    NotAborted,
    ReplyLost,
    Unreadable,
    VmReading,
)
from optimizer.execute.states import Failure, MoveState
from optimizer.fleet import Busy, HostState, Mobility, VmState
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, exactly, real, text
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.clock import Clock
    from optimizer.execute.agents.client import Asks
    from optimizer.execute.drivers import Request
    from optimizer.execute.drivers.settings import DriverSettings
    from optimizer.fleet import Fleet

__all__ = ["FORMAT", "LOCATION", "AgentsDriver", "open_agents"]

FORMAT = "remora-agents/1"
_PATH = text(4096, what="a path")

LOCATION = Record(
    "agents file",
    {
        "format": Field(exactly(FORMAT), "the format's tag"),
        "gateway": Field(text(1024, what="an address"), "https://HOST:PORT"),
        "token_file": Field(_PATH, "the file with this executor's token, relative to this one", None),
        "ca_file": Field(_PATH, "certificates that the gateway's is signed by; by default the system's", None),
        "deadline_s": Field(real(0.1, 300), "seconds within which the gateway has to answer", 20.0),
        "begin_within_s": Field(real(1, 3600), "seconds within which an agent has to begin an order", 60.0),
        "current_s": Field(real(1, 3600), "seconds of silence after which an agent's host cannot be read", 90.0),
    },
)


def open_agents(fleet: Fleet, settings: DriverSettings) -> AgentsDriver:
    """Open the driver; `--location` names the file that says where the gateway is."""
    if not settings.where:
        raise InputError("--location", "", "", "the path of a file remora-agents/1, which names the gateway")
    if settings.fail:
        raise InputError("--fail", "", ", ".join(settings.fail), "nothing: this driver migrates for real")
    document = load_yaml(read_bytes(settings.where), settings.where)
    check_plain(document, settings.where)
    said = {**{n: f.default for n, f in LOCATION.fields.items()}, **_checked(document, settings.where)}
    beside = Path(settings.where).parent
    token = read_token(str(beside / said["token_file"])) if said["token_file"] else ""
    ca_file = str(beside / said["ca_file"]) if said["ca_file"] else ""
    client = Client(said["gateway"], token, ca_file, said["deadline_s"])
    return AgentsDriver(fleet, client, said)


def _checked(document: object, where: str) -> Mapping[str, Any]:
    checked = check_format(document, FORMAT, where)
    check(LOCATION, checked, where)
    found: Mapping[str, Any] = checked
    return found


class AgentsDriver:
    """Gives orders to a gateway, and looks at them there."""

    def __init__(self, fleet: Fleet, client: Asks, said: Mapping[str, Any], clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._fleet, self._client = fleet, client
        self._begin_within_s, self._current_s = said["begin_within_s"], said["current_s"]
        self.settles_s: float = said["deadline_s"] + self._begin_within_s + 10.0
        try:
            hosts = self._ask("/v1/read/fleet", current_s=self._current_s)["hosts"]
        except (GatewayDown, GatewayRefused) as error:
            raise InputError("--location", "gateway", client.where, f"a gateway that answers ({error})") from error
        reporting = len(hosts["current"]) + len(hosts["silent"])
        if not reporting:
            wanted = f"a gateway to which agents of {fleet.id} report: start `remora agent` on its hosts first"
            raise InputError("--location", "gateway", "no agent has reported", wanted)
        if 0 < hosts["simulated"] < reporting:
            found = f"{hosts['simulated']} of {reporting} agents simulate"
            raise InputError("--location", "gateway", found, "agents that all migrate, or all simulate")
        self.simulated = hosts["simulated"] > 0

    @property
    def fleet(self) -> str:
        """The id of the fleet, under which orders are given."""
        return self._fleet.id

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as its agents see it; None only where every host of the fleet is reporting."""
        said = self._read("/v1/read/vm", vm=vm, current_s=self._current_s)["vm"]
        if said is None:
            if vm in self._fleet.vm_index:
                self._all_report(vm)
            return None
        return VmReading(
            id=said["id"],
            host=said["host"],
            state=VmState[said["state"].upper()],
            mobility=Mobility[said["mobility"].upper()],
            demand=said["demand"],
            moving_to=said["moving_to"],
            copies=frozenset(said["copies"]),
        )

    def _all_report(self, vm: str) -> None:
        current = set(self._read("/v1/read/fleet", current_s=self._current_s)["hosts"]["current"])
        hosts = self._fleet.hosts
        silent = [
            h
            for h, state in zip(hosts.ids, hosts.state, strict=True)
            if h not in current and HostState(state) is not HostState.DOWN
        ]
        if silent:
            raise Unreadable(f"{vm} is seen nowhere, and {silent[0]} (of {len(silent)}) is not reporting")

    def read_host(self, host: str) -> HostReading | None:
        """Return the host as its agent sees it."""
        said = self._read("/v1/read/host", host=host, current_s=self._current_s)["host"]
        if said is None:
            if host in self._fleet.host_index:
                raise Unreadable(f"no agent has ever reported for {host}")
            return None
        if said["simulated"] != self.simulated:
            does, others = ("simulates", "migrate") if said["simulated"] else ("migrates", "simulate")
            raise Unreadable(f"the agent of {host} {does}, where others {others}")
        return HostReading(
            id=said["id"],
            state=HostState[said["state"].upper()],
            capacity=said["capacity"],
            busy=tuple(Busy(reason) for reason in said["busy"]),
            vms=frozenset(said["vms"]),
        )

    def migrating(self) -> frozenset[str]:
        """Return the VMs that are migrating, by agents and by open orders."""
        return frozenset(self._read("/v1/read/migrating")["vms"])

    def submit(self, request: Request) -> str:
        """Give the order; its name is its token, so that the same order twice is one."""
        names = ("plan", "move", "attempt", "vm", "source", "target", "copied_mib", "seconds", "epoch", "token")
        asked = {name: getattr(request, name) for name in names}
        try:
            said = self._ask(
                "/v1/orders/enqueue", **asked, begin_within_s=self._begin_within_s, current_s=self._current_s
            )
        except GatewayRefused as error:
            raise MoveRefused(str(error), temporary=error.temporary) from error
        except GatewayDown as error:
            raise ReplyLost(str(error)) from error
        return str(said["order"]["token"])

    def observe(self, request: Request) -> JobReading | None:
        """Return how the order stands; the table is above."""
        order = self._read("/v1/orders/find", token=request.token, epoch=request.epoch)["order"]
        if order is None or (order["vm"], order["target"]) != (request.vm, request.target):
            return None
        state, name = order["state"], order["token"]
        if order["lapsed"]:
            raise Unreadable(f"the agent of {order['source']} has not reported on {name}: its lease ran out")
        if state == "unknown":
            raise Unreadable(f"the agent of {order['source']} cannot tell: {order['detail']}")
        if order["ended_s"] is None:
            running = MoveState.ACCEPTED if state in ("waiting", "claimed") else MoveState(state)
            return JobReading(name, running, order["remaining_mib"], detail=order["detail"])
        if not order["confirmed"] and order["ended_for_s"] < self._current_s:
            return JobReading(name, MoveState.SWITCHING, detail="ended; its ends have not looked since")
        failure = Failure(order["failure"]) if order["failure"] else None
        ended_at = datetime.fromtimestamp(order["ended_s"], UTC)
        return JobReading(name, MoveState(state), None, failure, order["detail"], ended_at)

    def abort(self, request: Request) -> None:
        """Ask its agent to give the move up."""
        try:
            self._ask("/v1/orders/abort", token=request.token)
        except (GatewayDown, GatewayRefused) as error:
            raise NotAborted(str(error)) from error

    def _ask(self, path: str, **asked: Any) -> dict[str, Any]:
        return self._client.ask(path, {"fleet": self.fleet, **asked})

    def _read(self, path: str, **asked: Any) -> dict[str, Any]:
        try:
            return self._ask(path, **asked)
        except (GatewayDown, GatewayRefused) as error:
            raise Unreadable(str(error)) from error
