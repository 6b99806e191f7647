"""An executor in a process of its own, forked from one that has loaded everything.

It reaches the hypervisors by a socket that keeps messages apart. Each is answered, so the hypervisors do one thing at a
time, and their record is in order.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.errors import AlreadyApplied, LeaseLost, SafetyStop
from optimizer.execute.apply import apply
from optimizer.execute.ledger import open_ledger
from tests.execute.crashes.hypervisors import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.execute.crashes.hypervisors import Hypervisors

__all__ = ["Executor", "answer", "start"]

CALLS = frozenset({"read_vm", "read_host", "migrating", "submit", "observe", "abort"})
LARGEST = 1 << 20


@dataclass
class Executor:
    """A process that carries the plan out, as its parent sees it."""

    pid: int
    socket: socket.socket
    said: str = ""

    def fileno(self) -> int:
        """Say what to wait on."""
        return self.socket.fileno()

    def hear(self) -> tuple[str, tuple[Any, ...]] | None:
        """Return what it asks for next; None when it has died or ended."""
        message = self.socket.recv(LARGEST)
        if not message:
            return None
        name, args = pickle.loads(message)
        return name, args

    def tell(self, value: Any) -> None:
        """Answer it; if it has died meanwhile, nobody hears."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.send(pickle.dumps(value))

    def bury(self) -> int:
        """Wait for its end; returns its exit code, negative for a signal."""
        self.socket.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(hypervisors: Hypervisors, place: str, probe: Callable[[str], None]) -> Executor:
    """Fork a process that carries the plan out; `probe` is called there."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return Executor(pid, ours)
    ours.close()
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _carry_out(hypervisors, place, probe, theirs)
    finally:
        os._exit(0)


def answer(hypervisors: Hypervisors, name: str, args: tuple[Any, ...]) -> Any:
    """Do what an executor asks the hypervisors for; an error is a value here."""
    if name == "sleep":
        hypervisors.clock.sleep(*args)
        return hypervisors.clock.now()
    if name not in CALLS:
        return ValueError(name)
    try:
        return getattr(hypervisors, name)(*args)
    except Exception as error:
        return error


def _carry_out(it: Hypervisors, place: str, probe: Callable[[str], None], theirs: socket.socket) -> None:
    far = _Far(theirs, it)
    with open_ledger(place) as ledger:
        heard = len(ledger.events(it.fleet))

        def probed(at: str) -> None:
            nonlocal heard
            probe(at)
            if at.startswith("after"):
                new = ledger.events(it.fleet, heard)
                heard += len(new)
                far.ask("committed", new)

        ledger.probe = probed
        try:
            plan, policy = it.plan, it.policy
            done = apply(it.snapshot_of_plan, policy, plan, far, ledger, act=True, order=ORDER, settings=it.settings)
        except AlreadyApplied:
            said = "over"
        except LeaseLost:
            said = "lost the lead"
        except SafetyStop as stop:
            said = f"refused: {stop}"
        except Exception as error:
            said = f"broken: {error!r}"
        else:
            said = f"over {done.stopped}"
    far.ask("said", said)


class _Clock:
    """The hypervisors' time, as it was when something was last asked for."""

    def __init__(self, far: _Far, now: datetime, start: datetime) -> None:
        self._far, self._now, self._start = far, now, start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start) / timedelta(seconds=1)

    def sleep(self, seconds: float) -> None:
        self._now = self._far.ask("sleep", seconds)


class _Far:
    """The driver of an executor: all of it is elsewhere."""

    simulated = False

    def __init__(self, theirs: socket.socket, it: Hypervisors) -> None:
        self._socket = theirs
        self.clock = _Clock(self, it.clock.now(), it.first.taken_at)
        self.fleet, self.settles_s = it.fleet, it.settles_s

    def ask(self, name: str, *args: Any) -> Any:
        self._socket.send(pickle.dumps((name, args)))
        value = pickle.loads(self._socket.recv(LARGEST))
        if isinstance(value, Exception):
            raise value
        return value

    def read_vm(self, vm: str) -> Any:
        return self.ask("read_vm", vm)

    def read_host(self, host: str) -> Any:
        return self.ask("read_host", host)

    def migrating(self) -> Any:
        return self.ask("migrating")

    def submit(self, request: Any) -> Any:
        return self.ask("submit", request)

    def observe(self, request: Any) -> Any:
        return self.ask("observe", request)

    def abort(self, request: Any) -> Any:
        return self.ask("abort", request)
