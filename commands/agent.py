"""`remora agent`: carry migrations out on a hypervisor, for a gateway."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from commands.common import fleet_argument, load_fleet, warn_of
from commands.driver_options import driver_option, location_option
from commands.interrupt import Interrupt
from commands.path_types import MayBeFile

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.agents.client import Client
    from optimizer.execute.agents.worker import Times, Worker
    from optimizer.execute.drivers import Driver

__all__ = ["command"]


@click.command("agent")
@fleet_argument
@click.option("--gateway", required=True, metavar="URL", help="The gateway: https://HOST:PORT.")
@click.option("--host", "hosts", multiple=True, required=True, metavar="ID", help="This host; repeat for more.")
@driver_option("libvirt")
@location_option
@click.option("--token-file", type=MayBeFile(), metavar="FILE", help="This host's token; only its owner may read it.")
@click.option(
    "--ca-file", type=MayBeFile(), default="", metavar="FILE", help="Certificates that the gateway's is signed by, PEM."
)
@click.option(
    "--state",
    default="remora-agent",
    show_default=True,
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="What it remembers: orders in hand and the highest epoch.",
)
@click.option(
    "--look",
    "look_s",
    type=click.FloatRange(0.05, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the host is looked at.",
)
def command(
    fleet: Path,
    gateway: str,
    hosts: tuple[str, ...],
    driver: str,
    where: str,
    token_file: str | None,
    ca_file: str,
    state: str,
    look_s: float,
) -> None:
    """Fetch the orders for this host from a gateway, and carry each out once; runs until it is interrupted.

    What is being migrated then goes on, and is found again by the next agent with the same --state.
    """
    from random import Random

    from optimizer.execute.agents.client import Client
    from optimizer.execute.agents.run_agent import run_agents
    from optimizer.execute.agents.tokens import read_token
    from optimizer.execute.agents.worker import Times
    from optimizer.execute.drivers.registry import DRIVERS
    from optimizer.execute.drivers.settings import DriverSettings

    snapshot = load_fleet(fleet)
    warn_of(snapshot)
    _known(hosts, snapshot.hosts.ids, fleet)
    client = Client(gateway, read_token(token_file) if token_file else "", ca_file)
    hands = DRIVERS.load(driver)(snapshot, DriverSettings(where))
    workers = _workers(hosts, hands, client, state, Times(look_s=look_s))
    with Interrupt("the agent ends; what is being migrated goes on") as interrupt:
        _announce(workers)
        click.echo(f"{', '.join(hosts)}: waiting for orders of {client.where}", err=True)
        run_agents(workers, hands.clock, interrupt.event, Random(), _tell, simulated=hands.simulated)


def _known(hosts: tuple[str, ...], known: tuple[str, ...], path: Path) -> None:
    from optimizer.errors import InputError
    from optimizer.similar import similar

    for host in hosts:
        if host not in known:
            raise InputError("--host", "", host, f"a host of {path}", similar(host, known))


def _workers(hosts: tuple[str, ...], driver: Driver, client: Client, state: str, times: Times) -> list[Worker]:
    import time
    from pathlib import Path

    from optimizer.execute.agents.memory import Memory
    from optimizer.execute.agents.worker import Worker

    driving = threading.Lock()
    return [
        Worker(host, driver, driving, client, Memory(Path(state), driver.fleet, host), time.monotonic, times)
        for host in dict.fromkeys(hosts)
    ]


def _announce(workers: list[Worker]) -> None:
    """Report each host for the first time: a wrong address or token is found now."""
    from optimizer.errors import InputError
    from optimizer.execute.agents.client import GatewayDown, GatewayRefused
    from optimizer.execute.drivers import Unreadable

    for worker in workers:
        try:
            worker.start()
        except GatewayRefused as error:
            raise InputError("--gateway", "", str(error), "a gateway that knows this agent") from error
        except (GatewayDown, Unreadable) as error:
            _tell(f"{error}: trying again")


def _tell(text: str) -> None:
    click.echo(f"remora agent: {text}", err=True)
