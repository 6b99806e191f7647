"""A receiver's own thread: documents wait in a queue, and each is tried a few times."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from optimizer.service.events import Notified
from optimizer.service.notify.sending import NotSent, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from optimizer.service.events import Told
    from optimizer.service.notify.sending import Address

__all__ = ["Receiver"]

MOST = 100
"""Documents that wait at most: beyond that the oldest is given up."""

PAUSE_S = 1.0
LONGEST_S = 30.0


class Receiver:
    """Sends documents to one address, in order.

    Parameters
    ----------
    kind
        What it is called in logs and metrics.
    path
        What is appended to the address.
    pause
        Lets time pass between two tries; returns whether there is no time left.
    """

    def __init__(
        self,
        kind: str,
        address: Address,
        path: str,
        told: Told,
        rng: Random,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._kind, self._address, self._path, self._told, self._rng = kind, address, path, told, rng
        self._pause = pause
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._busy = False
        self._thread = threading.Thread(target=self._work, name=f"notify {kind}", daemon=True)
        self._thread.start()

    def put(self, document: Any) -> None:
        """Let a document be sent."""
        with self._changed:
            if len(self._waiting) >= MOST:
                self._waiting.popleft()
                dropped = True
            else:
                dropped = False
            self._waiting.append(document)
            self._changed.notify_all()
        if dropped:
            self._told.tell(Notified(self._kind, self._address.shown, False, f"more than {MOST} wait: one is given up"))

    def close(self, seconds: float) -> None:
        """Wait until everything was sent, at most that long; then give up."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)
            self._over.set()
            self._changed.notify_all()
        self._thread.join(0.5)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting) or self._over.is_set())
                if self._over.is_set():
                    return
                document, self._busy = self._waiting.popleft(), True
            self._send(document)

    def _send(self, document: Any) -> None:
        why = ""
        for attempt in range(self._address.tries):
            if attempt:
                longest = min(PAUSE_S * 2 ** (attempt - 1), LONGEST_S)
                if self._pause(self._over, longest * self._rng.uniform(0.5, 1.0)):
                    break
            try:
                send(self._address, self._path, document)
            except NotSent as error:
                why = str(error)
                if not error.again:
                    break
            except Exception as error:  # a receiver may do what nobody thought of; the thread goes on
                why = f"{self._address.shown}: {type(error).__name__}"
            else:
                self._told.tell(Notified(self._kind, self._address.shown, True))
                return
        self._told.tell(Notified(self._kind, self._address.shown, False, why))
