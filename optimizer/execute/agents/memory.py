"""What an agent remembers on its disk: who it is, how often it was started, the highest epoch, and orders in hand.

It is written whole beside its name, synced and renamed, before anything follows from it. A file that cannot be read is
refused: what it said may still be running.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from optimizer.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["InHand", "Memory"]

FORMAT = "remora-agent/1"


@dataclass
class InHand:
    """An order of this agent.

    Attributes
    ----------
    phase
        claimed (nothing was asked of the driver), submitting (it may have been), submitted.
    outcome
        How it ended, as the gateway is still to learn it: state, failure, detail.
    """

    order: dict[str, Any]
    phase: str = "claimed"
    job: str = ""
    outcome: dict[str, str] = field(default_factory=dict)


class Memory:
    """The file of one host's agent, locked as long as the process lives.

    Raises
    ------
    InputError
        It cannot be read or written, is damaged or another host's, or another agent has it.
    """

    def __init__(self, directory: Path, fleet: str, host: str) -> None:
        self.path = directory / f"{quote(host, safe='')}.json"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._wrong("another agent has it", "one agent for a host") from None
            self._fleet, self._host = fleet, host
            self.agent, self.starts, self.epoch, self.in_hand = uuid4().hex, 0, 0, dict[str, InHand]()
            if self.path.exists():
                self.remember(json.loads(self.path.read_bytes()))
            self.starts += 1
            self.save()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._wrong(f"{type(error).__name__}: {error}", "the file of an agent") from error

    def remember(self, said: dict[str, Any]) -> None:
        """Take in what a file says.

        Raises
        ------
        InputError
            It is another host's.
        """
        mine = (FORMAT, self._fleet, self._host)
        if (said["format"], said["fleet"], said["host"]) != mine:
            raise self._wrong(f"{said['format']}, {said['fleet']}, {said['host']}", ", ".join(mine))
        self.agent, self.starts, self.epoch = str(said["agent"]), int(said.get("starts", 0)), int(said["epoch"])
        self.in_hand = {token: InHand(**entry) for token, entry in said["in_hand"].items()}

    def said(self) -> dict[str, Any]:
        """Return what is written."""
        return {
            "format": FORMAT,
            "fleet": self._fleet,
            "host": self._host,
            "agent": self.agent,
            "starts": self.starts,
            "epoch": self.epoch,
            "in_hand": {token: asdict(entry) for token, entry in self.in_hand.items()},
        }

    def save(self) -> None:
        """Write it; on disk when this returns."""
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(self.said(), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Let another agent have it."""
        os.close(self._lock)

    def _wrong(self, found: str, expected: str) -> InputError:
        hint = "if it is lost, put it aside: orders in it stay unknown until the executor's moves are looked at by hand"
        return InputError(str(self.path), "", found, expected, hint)
