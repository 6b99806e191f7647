"""Workers of a dask scheduler, on as many machines as there are (`pip install -e '.[dask]' in the checkout`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.engine.engine import TRIES, Done, worker_name
from optimizer.errors import EngineError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.engine.engine import Stop

__all__ = ["OnDask"]

POLL_S = 0.1
"""How often the question whether to stop is asked."""

CONNECT_S = 10
"""How long a scheduler may take to answer."""

R = TypeVar("R")


class OnDask:
    """The workers of one scheduler, which need the same version of Remora and of its dependencies.

    It is imported only here, where it was asked for: it is an extra.

    Parameters
    ----------
    scheduler
        Its address, such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    InputError
        If dask is not installed, nobody answers at the address, or the scheduler has no workers.
    """

    name = "dask"
    shares_memory = False

    def __init__(self, scheduler: str) -> None:
        try:
            distributed = import_module("distributed")
        except ImportError as error:
            hint = "install it: pip install -e '.[dask]' in the checkout"
            raise InputError("--engine", "", self.name, "an engine that is installed", hint) from error
        _refuse_odd(scheduler)
        try:
            self._client: Any = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            hint = f"{type(error).__name__}: {error}"
            raise InputError("--scheduler", "", scheduler, "the address of a dask scheduler", hint) from error
        if not self.workers:
            self.close()
            raise InputError("--scheduler", "", scheduler, "a scheduler that has workers", "start some: dask worker")

    @property
    def workers(self) -> int:
        """See `Engine`: the threads of all workers."""
        return int(sum(self._client.nthreads().values()))

    def map(self, function: Callable[[bytes, Stop], R], tasks: Sequence[bytes], stop: Stop) -> list[Done[R] | None]:
        """See `Engine`; what is in flight when `stop` says so is given up, since nobody can be told in between."""
        done: list[Done[R] | None] = [None] * len(tasks)
        for attempt in range(1, TRIES + 1):
            self._round(function, tasks, done, stop, attempt)
            if stop.is_set() or all(done):
                return done
        lost = [i + 1 for i, d in enumerate(done) if d is None]
        raise EngineError(
            f"parts {lost} of {len(tasks)}: the dask workers that had them were lost {TRIES} times: look into their "
            "logs (memory?), ask for more parts, or start other workers"
        )

    def _round(
        self,
        function: Callable[[bytes, Stop], R],
        tasks: Sequence[bytes],
        done: list[Done[R] | None],
        stop: Stop,
        attempt: int,
    ) -> None:
        """Have the tasks done that are not yet; those whose workers are lost stay as they are."""
        left = [i for i, d in enumerate(done) if d is None]
        sent = self._client.scatter([tasks[i] for i in left], hash=False)
        futures = {self._client.submit(_run, function, data, pure=False): i for i, data in zip(left, sent, strict=True)}
        pending = set(futures)
        while pending and not stop.is_set():
            for future in self._ended(pending):
                pending.discard(future)
                if future.status == "finished":
                    name, result = future.result()
                    done[futures[future]] = Done(result, name, attempt)
                elif not _is_loss(future):
                    number = f"part {futures[future] + 1} of {len(tasks)}"
                    raise EngineError(f"{number} failed on a dask worker: {future.exception()!r}")
        self._client.cancel(list(pending))

    def _ended(self, pending: set[Any]) -> list[Any]:
        """Wait a moment; return those that are over."""
        distributed = import_module("distributed")
        try:
            with self._client.as_current():
                return list(distributed.wait(list(pending), timeout=POLL_S, return_when="FIRST_COMPLETED").done)
        except (TimeoutError, distributed.CancelledError):
            return [f for f in pending if f.done()]

    def close(self) -> None:
        """See `Engine`: the scheduler and its workers go on."""
        self._client.close()


def _refuse_odd(scheduler: str) -> None:
    """Refuse what is no address, before a client is made of it that would complain by itself when it is collected."""
    try:
        comm = import_module("distributed.comm")
        if scheduler.partition("://")[0] in ("inproc", "ucx", "ws", "wss"):
            return  # they are addressed in their own ways
        comm.get_address_host_port(scheduler)
    except ValueError as error:
        expected, hint = "the address of a dask scheduler, such as tcp://10.0.0.5:8786", str(error)
        raise InputError("--scheduler", "", scheduler, expected, hint) from error


def _is_loss(future: Any) -> bool:
    """Whether the worker was lost, or the data on it, rather than that the function failed."""
    distributed = import_module("distributed")
    if future.status in ("cancelled", "lost"):
        return True
    return isinstance(future.exception(), distributed.KilledWorker | distributed.CancelledError)


class _Never:
    """Nothing stops a task on another machine but its own limits."""

    def is_set(self) -> bool:
        return False


def _run(function: Callable[[bytes, Stop], R], task: bytes) -> tuple[str, R]:
    return worker_name(), function(task, _Never())
