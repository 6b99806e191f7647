"""Processes of this machine: each is sent one task at a time, so it is known whose task died with which worker.

`concurrent.futures` has a pool too, but one process that is killed breaks it for every task and it does not say which
task was to blame; with a pipe for each process the loss is that one task.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from contextlib import suppress
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.engine.engine import TRIES, Done, worker_name
from optimizer.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from optimizer.engine.engine import Stop

__all__ = ["Processes"]

POLL_S = 0.05
"""How often the question whether to stop is asked."""

GRACE_S = 1.0
"""How long processes may take to hand in the best so far after they were asked to stop."""

LOOKS = 32
"""Questions whether to stop for each of which the pipe is looked at once."""

ENOUGH = b""
"""Said in place of a task: hand in what there is."""

R = TypeVar("R")


class Processes:
    """At most `workers` processes, begun for one call of `map` and ended by it."""

    name = "process"
    shares_memory = True

    def __init__(self, workers: int) -> None:
        self._workers = workers

    @property
    def workers(self) -> int:
        """See `Engine`."""
        return self._workers

    def map(self, function: Callable[[bytes, Stop], R], tasks: Sequence[bytes], stop: Stop) -> list[Done[R] | None]:
        """See `Engine`."""
        run = _Run(function, tasks)
        try:
            run.start(min(self._workers, len(tasks)))
            run.until(stop)
        finally:
            run.end()
        return run.done

    def close(self) -> None:
        """Nothing to let go of between two calls."""


class _Worker:
    """One process, this end of its pipe, and the number of the task that it has in hand."""

    def __init__(self, context: Any, function: Callable[[bytes, Stop], Any]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self.process.start()
        theirs.close()  # so that the pipe ends with the process
        self.task: int | None = None

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Run:
    """One call of `map`."""

    def __init__(self, function: Callable[[bytes, Stop], Any], tasks: Sequence[bytes]) -> None:
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        self._stopped = False
        self._function, self._tasks = function, tasks
        self._waiting = deque(range(len(tasks)))
        self._tries = [0] * len(tasks)
        self._workers: list[_Worker] = []
        self.done: list[Done[Any] | None] = [None] * len(tasks)

    def start(self, workers: int) -> None:
        """Begin with that many processes, and give each a task."""
        self._workers = [self._worker() for _ in range(workers)]
        for worker in tuple(self._workers):
            self._next(worker)

    def until(self, stop: Stop) -> None:
        """Wait for all that is in flight; when `stop` says so, for a moment only."""
        end: float | None = None
        while any(w.task is not None for w in self._workers):
            if end is None and stop.is_set():
                self._tell_all()
                end = monotonic() + GRACE_S
            if end is not None and monotonic() > end:
                return
            for pipe in wait([w.pipe for w in self._workers if w.task is not None], POLL_S):
                self._hear(next(w for w in self._workers if w.pipe is pipe))

    def _tell_all(self) -> None:
        """Ask for the best so far; nothing more is begun."""
        self._stopped = True
        self._waiting.clear()
        for worker in self._workers:
            with suppress(OSError):  # it has died, which is noticed elsewhere
                worker.pipe.send_bytes(ENOUGH)

    def end(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.end()

    def _worker(self) -> _Worker:
        return _Worker(self._context, self._function)

    def _next(self, worker: _Worker) -> None:
        """Give a process that is free a task, if there is one."""
        worker.task = self._waiting.popleft() if self._waiting else None
        if worker.task is not None:
            self._tries[worker.task] += 1
            try:
                worker.pipe.send_bytes(self._tasks[worker.task])
            except OSError:
                self._lost(worker)

    def _hear(self, worker: _Worker) -> None:
        """Take what a process says, or that it says nothing any more."""
        try:
            name, result, error = worker.pipe.recv()
        except (EOFError, OSError):
            self._lost(worker)
            return
        task = worker.task
        assert task is not None
        if error:
            raise EngineError(f"part {task + 1} of {len(self._tasks)} failed in process {name}:\n{error}")
        self.done[task] = Done(result, name, self._tries[task])
        self._next(worker)

    def _lost(self, worker: _Worker) -> None:
        """Put another process in the place of one that died, and its task first in line."""
        worker.end()
        self._workers.remove(worker)
        task = worker.task
        assert task is not None
        if self._stopped:
            return
        if self._tries[task] >= TRIES:
            raise EngineError(
                f"part {task + 1} of {len(self._tasks)}: the process that worked on it died {TRIES} times (the last "
                f"with exit code {worker.process.exitcode}; -9 is often the system short of memory): ask for more "
                "parts, or fewer workers"
            )
        self._waiting.appendleft(task)
        another = self._worker()
        self._workers.append(another)
        self._next(another)


class _Told:
    """Whether the other end has said (or closed the pipe): it says nothing else while a task is in hand."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._asked, self._set = pipe, 0, False

    def is_set(self) -> bool:
        """Look now and then, since that is a call of the system."""
        if not self._set and self._asked % LOOKS == 0:
            self._set = self._pipe.poll()
        self._asked += 1
        return self._set


def _serve(pipe: Connection, function: Callable[[bytes, Stop], Any]) -> None:
    """Do tasks until the pipe ends. Ctrl-C reaches the whole group of processes: it is for the first one to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        if task == ENOUGH:
            return
        try:
            answer = (worker_name(), function(task, _Told(pipe)), "")
        except Exception:
            answer = (worker_name(), None, traceback.format_exc())
        with suppress(OSError):  # nobody waits for it any more
            pipe.send(answer)
