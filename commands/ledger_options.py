"""What commands about a ledger share: where it is, for which fleet, who orders something and why."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

import click

from commands.path_types import LedgerPlace, StopPath
from optimizer.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.button import StopFile
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Control, Order

__all__ = [
    "LEDGER",
    "by_file",
    "by_option",
    "fleet_option",
    "fleets_of",
    "is_there",
    "ledger_option",
    "open_button",
    "order_of",
    "peek",
    "reason_option",
    "stop_file_option",
    "unheard",
    "written",
]

LEDGER = "remora-ledger.sqlite"


ledger_option = click.option(
    "--ledger",
    type=LedgerPlace(),
    default=LEDGER,
    show_default=True,
    envvar="REMORA_LEDGER",
    metavar="PLACE",
    help="What remembers every plan that was carried out (also REMORA_LEDGER).",
)
stop_file_option = click.option(
    "--stop-file",
    type=StopPath(),
    envvar="REMORA_STOP_FILE",
    metavar="PATH",
    help="While this file exists, nothing is submitted; by default LEDGER.stop (also REMORA_STOP_FILE).",
)
fleet_option = click.option("--fleet", metavar="NAME", help="Only this fleet; by default all that the ledger knows.")
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; the ledger keeps it.")
by_option = click.option(
    "--by", envvar="REMORA_BY", metavar="NAME", help="Who orders it; by default USER@MACHINE (also REMORA_BY)."
)


def order_of(by: str | None, reason: str) -> Order:
    """Return who orders something, and why.

    Raises
    ------
    InputError
        The reason is blank.
    """
    from optimizer.execute.ledger.records import Order

    if not reason.strip():
        raise InputError("--reason", "", reason, "a reason", "the ledger keeps it")
    return Order(by or _somebody(), " ".join(reason.split()))


def _somebody() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def peek(place: Path | str) -> Ledger:
    """Open a ledger to read it.

    Raises
    ------
    InputError
        There is none.
    """
    from optimizer.execute.ledger import peek_ledger

    ledger = peek_ledger(str(place))
    if ledger is None:
        raise InputError(str(place), "", "no file", "a ledger", "`remora apply --act` makes one, or name it: --ledger")
    return ledger


def is_there(place: Path | str) -> bool:
    """Whether there is a ledger; writes nothing."""
    from optimizer.execute.ledger import peek_ledger

    ledger = peek_ledger(str(place))
    if ledger is not None:
        ledger.close()
    return ledger is not None


def written(place: Path | str) -> Ledger:
    """Open a ledger to write to it; there has to be one."""
    from optimizer.execute.ledger import open_ledger

    peek(place).close()
    return open_ledger(str(place))


def unheard(ledger: Ledger, fleet: str) -> str:
    """Say that the ledger has not heard of a fleet, and which it may be; empty where it has."""
    from optimizer.similar import similar_or_some

    known = ledger.fleets()
    if fleet in known:
        return ""
    return f"{ledger.where} has not heard of fleet {fleet} yet: {similar_or_some(fleet, known)}"


def fleets_of(ledger: Ledger, asked: str | None) -> tuple[str, ...]:
    """Return the fleets that are meant.

    Raises
    ------
    InputError
        The ledger has not heard of the one that was named.
    """
    from optimizer.similar import similar_or_some

    known = ledger.fleets()
    if asked is None:
        return known
    if asked not in known:
        raise InputError("--fleet", "", asked, f"a fleet that {ledger.where} knows", similar_or_some(asked, known))
    return (asked,)


def open_button(path: str | None, ledger: Path | str) -> StopFile:
    """Return the file that stops every run of a ledger."""
    from pathlib import Path as Place_

    from optimizer.execute.button import StopFile

    return StopFile(Place_(path)) if path else StopFile.beside(str(ledger))


def by_file(button: StopFile) -> Control | None:
    """Return the stop of a file, which the ledger may know nothing of, as one of every fleet."""
    from optimizer.clock import SystemClock
    from optimizer.execute.ledger.records import EVERY_FLEET, Control

    said = button.said()
    if said is None:
        return None
    since = button.since() or SystemClock().now()
    return Control(EVERY_FLEET, "stop", "file", since, f"the file {button.path}", said or "it does not say why")
