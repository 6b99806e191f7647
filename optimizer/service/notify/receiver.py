"""A receiver's own thread: documents wait in a queue, and each is tried a few times."""

from __future__ import annotations

import threading
from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from optimizer.service.events import Notified
from optimizer.service.notify.sending import NotSent, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from optimizer.service.events import Told
    from optimizer.service.notify.sending import Address

    Came = Callable[[bool], None]

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
        self.name = f"{kind} {sha256(f'{address.url}{path}'.encode()).hexdigest()[:16]}"
        self._waiting: deque[tuple[Any, Came]] = deque()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._busy: Came | None = None
        self._thread = threading.Thread(target=self._work, name=f"notify {kind}", daemon=True)
        self._thread.start()

    def put(self, document: Any, came: Came = lambda _: None) -> None:
        """Let a document be sent; `came` is told whether it was, perhaps by another thread."""
        lost: list[Came] = []
        with self._changed:
            if len(self._waiting) >= MOST:
                lost.append(self._waiting.popleft()[1])
            self._waiting.append((document, came))
            self._changed.notify_all()
        for one in lost:
            self._ended(one, False, f"more than {MOST} wait: one is given up")

    @property
    def has_room(self) -> bool:
        """Whether a document can wait without another being given up."""
        with self._changed:
            return len(self._waiting) < MOST

    def close(self, seconds: float) -> None:
        """Wait until everything was sent, at most that long; then give up, and say so."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and self._busy is None, seconds)
            self._over.set()
            self._changed.notify_all()
        self._thread.join(0.5)
        with self._changed:
            lost = [came for _, came in self._waiting]
            if self._busy is not None:
                lost.insert(0, self._busy)
            self._waiting.clear()
            self._busy = None
        for one in lost:
            self._ended(one, False, f"{self._address.shown}: not sent within {seconds:g} s, when the service ended")

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._over.is_set())
                if self._over.is_set():
                    return
                document, self._busy = self._waiting.popleft()
            delivered, why = self._send(document)
            with self._changed:
                came, self._busy = self._busy, None
            if came is not None:  # otherwise it was given up meanwhile
                self._ended(came, delivered, why)
            with self._changed:
                self._changed.notify_all()

    def _ended(self, came: Came, delivered: bool, why: str) -> None:
        came(delivered)
        self._told.tell(Notified(self._kind, self._address.shown, delivered, why))

    def _send(self, document: Any) -> tuple[bool, str]:
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
                return True, ""
        return False, why
