"""`remora gateway`: hand out migrations to agents on the hypervisors."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from commands.common import Whole
from commands.interrupt import Interrupt
from commands.ledger_options import ledger_option, open_button, stop_file_option

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]

FILE = click.Path(exists=True, dir_okay=False)


@click.command("gateway")
@ledger_option
@stop_file_option
@click.option("--listen", default="127.0.0.1:8470", show_default=True, metavar="HOST:PORT", help="Address to serve.")
@click.option("--tls-cert", type=FILE, metavar="FILE", help="Certificate chain, PEM.")
@click.option("--tls-key", type=FILE, metavar="FILE", help="Its private key, PEM.")
@click.option("--tokens", type=FILE, metavar="FILE", help="Hashes of tokens: `agent HOST HASH`, `executor NAME HASH`.")
@click.option(
    "--connections",
    type=Whole(4, 100),
    default=8,
    show_default=True,
    help="Database connections at most (PostgreSQL).",
)
@click.option(
    "--lease",
    "lease_s",
    type=click.FloatRange(0.2, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="An order whose agent is silent for longer is unknown.",
)
def command(
    ledger: Path | str,
    stop_file: str | None,
    listen: str,
    tls_cert: str | None,
    tls_key: str | None,
    tokens: str | None,
    connections: int,
    lease_s: float,
) -> None:
    """Serve orders to agents; it alone opens its tables, in PostgreSQL or in the file LEDGER-agents.

    Listens on a loopback address unless there are TLS and tokens. Runs until it is interrupted.
    """
    from random import Random

    from optimizer.clock import SystemClock
    from optimizer.errors import InputError
    from optimizer.execute.agents.gateway import Gateway
    from optimizer.execute.agents.opening import open_store
    from optimizer.execute.agents.serve import Listening, bind, serve
    from optimizer.execute.agents.stopped import LEDGER_CONNECTIONS, Button
    from optimizer.execute.agents.tokens import read_tokens

    if (tls_cert is None) != (tls_key is None):
        raise InputError("--tls-cert, --tls-key", "", tls_cert or tls_key, "both, or neither")
    known = read_tokens(tokens) if tokens else None
    bound = bind(listen, tls=tls_cert is not None, tokens=known is not None)
    listening = Listening(bound, tls_cert or "", tls_key or "")
    with closing(bound), closing(open_store(str(ledger), SystemClock(), connections - LEDGER_CONNECTIONS)) as store:
        gateway = Gateway(store, Button(str(ledger), open_button(stop_file, ledger)), known, Random(), lease_s=lease_s)
        with Interrupt("the gateway ends; what is being migrated goes on") as interrupt:
            serve(gateway, listening, interrupt.event, lambda: click.echo(f"listening on {listening.url}", err=True))
