"""Runs the agents of one process: for each host one thread that polls and one that works, with backoff and jitter."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from optimizer.execute.agents.client import GatewayDown, GatewayRefused
from optimizer.execute.drivers import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from optimizer.clock import Clock
    from optimizer.execute.agents.worker import Worker

__all__ = ["Backoff", "run_agents"]

FIRST_S, LONGEST_S = 0.5, 60.0
TICK_S = 1.0
SIMULATED_TICK_S = 0.05


class Backoff:
    """How long to wait after failures in a row: doubled each time, and spread, so that agents come back one by one."""

    def __init__(self, rng: Random) -> None:
        self._rng, self._failures = rng, 0

    def failed(self) -> float:
        """Return the seconds to wait after one more failure."""
        self._failures = min(self._failures + 1, 30)
        return self._rng.uniform(0.5, 1.0) * min(LONGEST_S, FIRST_S * 2.0**self._failures)

    def worked(self) -> None:
        """Begin anew."""
        self._failures = 0


def run_agents(
    workers: Sequence[Worker],
    clock: Clock,
    stop: threading.Event,
    rng: Random,
    tell: Callable[[str], None],
    *,
    simulated: bool,
) -> None:
    """Work until `stop` is set. What is being migrated goes on by itself, and is found again.

    Parameters
    ----------
    clock
        The driver's: a simulated one moves on with every tick.
    tell
        Is told once of each kind of failure in a row.
    """
    threads = [
        threading.Thread(target=_again, args=(worker.poll, None, stop, Backoff(rng), tell), daemon=True)
        for worker in workers
    ]
    rest = SIMULATED_TICK_S if simulated else TICK_S
    threads += [
        threading.Thread(target=_again, args=(worker.tick, (worker, rest), stop, Backoff(rng), tell), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(rest):
        if simulated:
            clock.sleep(TICK_S)
    for thread in threads:
        thread.join(2 * TICK_S)


def _again(
    work: Callable[[], None],
    pause: tuple[Worker, float] | None,
    stop: threading.Event,
    backoff: Backoff,
    tell: Callable[[str], None],
) -> None:
    said = ""
    while not stop.is_set():
        try:
            work()
        except (GatewayDown, GatewayRefused, Unreadable) as error:
            text = str(error)
            if text != said:
                tell(text)
            said = text
            stop.wait(backoff.failed())
            continue
        if said:
            tell("the gateway answers again")
        said = ""
        backoff.worked()
        if pause is not None:
            pause[0].has_to_look.wait(pause[1])
