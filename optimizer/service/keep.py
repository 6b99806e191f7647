"""Where plans are kept: those that were made, and the one that waits for its approval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optimizer.errors import InputError
from optimizer.sources.files import json_bytes, write_whole
from optimizer.sources.plan_json import read_plan, write_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.plan import Plan

__all__ = ["DirectoryKeep", "Keep", "MemoryKeep"]

SNAPSHOTS = 10


class Keep(Protocol):
    """What a cycle leaves to the next, other than in the ledger."""

    def put(self, plan: Plan, snapshot: Mapping[str, Any] | None = None) -> str:
        """Keep a plan, and the snapshot that it was made from; returns where the plan is."""

    def path(self, plan: Plan) -> str:
        """Return where a plan is kept."""

    def waiting(self) -> Plan | None:
        """Return the plan that waits for its approval."""

    def lost(self) -> str:
        """Say why what waits cannot be read; nothing where it can, or none waits."""

    def wait(self, plan: Plan) -> bool:
        """Let a plan wait for its approval; returns whether it did not before."""

    def no_longer(self) -> None:
        """Let no plan wait."""


class MemoryKeep:
    """Keeps the latest plan, as long as the process lives."""

    def __init__(self) -> None:
        self._waiting: Plan | None = None

    def put(self, plan: Plan, snapshot: Mapping[str, Any] | None = None) -> str:
        """Keep nothing but the name."""
        return plan.id

    def path(self, plan: Plan) -> str:
        """Return its name."""
        return plan.id

    def waiting(self) -> Plan | None:
        """Return the plan that waits."""
        return self._waiting

    def lost(self) -> str:
        """Nothing: memory is not lost without the process."""
        return ""

    def wait(self, plan: Plan) -> bool:
        """Let it wait."""
        new = self._waiting is None or self._waiting.id != plan.id
        self._waiting = plan
        return new

    def no_longer(self) -> None:
        """Let none wait."""
        self._waiting = None


class DirectoryKeep:
    """Keeps plans as files ``plans/ID.json`` in a directory, and their snapshots as ``fleets/ID.json.gz``: the latest.

    Parameters
    ----------
    most
        How many plans stay; of snapshots, which may be large, `SNAPSHOTS` do. What waits for its approval keeps both.

    Raises
    ------
    InputError
        The directory cannot be made.
    """

    def __init__(self, directory: Path, most: int = 100) -> None:
        self.directory, self._most = directory, most
        self._plans, self._fleets, self._mark = directory / "plans", directory / "fleets", directory / "waiting"
        self._read: Plan | None = None
        self._lost = ""
        try:
            self._plans.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            where = str(directory)
            raise InputError(where, "", error.strerror or str(error), "a directory that can be made") from error

    def put(self, plan: Plan, snapshot: Mapping[str, Any] | None = None) -> str:
        """Write both."""
        path = self._path(plan.id)
        if snapshot is not None:
            self._fleets.mkdir(exist_ok=True)
            write_whole(self._fleet(path), json_bytes(snapshot))
        write_plan(path, plan)
        waiting = self._name()
        kept = sorted(self._plans.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
        for number, old in enumerate(kept):
            if old in (path, self._path(waiting)):
                continue
            if number >= min(SNAPSHOTS, self._most):
                self._fleet(old).unlink(missing_ok=True)
            if number >= self._most:
                old.unlink(missing_ok=True)
        return str(path)

    def _fleet(self, plan: Path) -> Path:
        return self._fleets / f"{plan.name}.gz"

    def path(self, plan: Plan) -> str:
        """Return its file."""
        return str(self._path(plan.id))

    def waiting(self) -> Plan | None:
        """Read the plan that waits; None where it cannot be read (`lost`)."""
        self._lost = ""
        name = self._name()
        if not name:
            return None
        if self._read is None or self._read.id != name:
            try:
                self._read = read_plan(self._path(name))
            except InputError as error:
                self._lost = f"plan {name} waits and cannot be read: {error}"
                return None
        return self._read

    def lost(self) -> str:
        """Say why what waits could not be read when it was asked for last."""
        return self._lost

    def wait(self, plan: Plan) -> bool:
        """Write down that it waits."""
        if self._name() == plan.id:
            return False
        write_whole(self._mark, f"{plan.id}\n".encode())
        self._read = plan
        return True

    def no_longer(self) -> None:
        """Take that back."""
        self._mark.unlink(missing_ok=True)
        self._read = None

    def _name(self) -> str:
        try:
            return self._mark.read_text("utf-8").strip()
        except OSError:
            return ""

    def _path(self, plan: str) -> Path:
        return self._plans / f"{Path(plan).name}.json"
