"""Who has logged in: sessions in memory, each with a token of its own for its forms."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.clock import Clock

__all__ = ["COOKIE", "Session", "Sessions"]

COOKIE = "remora_session"
LASTS_S = 8 * 3600.0
MOST = 200
TRIES, WITHIN_S = 10, 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has shown the token; `form_token` stands in each of their forms."""

    name: str
    form_token: str
    until: float


class Sessions:
    """Gives sessions to whoever shows the token.

    Parameters
    ----------
    token
        What has to be shown; empty: nobody can log in.
    random_text
        Returns a text that nobody can guess.
    """

    def __init__(self, token: str, clock: Clock, random_text: Callable[[], str]) -> None:
        self._token, self._clock, self._random = token, clock, random_text
        self._open: dict[str, Session] = {}
        self._failed: list[float] = []

    @property
    def are_possible(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._token)

    def shows(self, token: str) -> bool:
        """Whether this is the token; not where a wrong one was shown too often of late."""
        now = self._clock.monotonic()
        self._failed = [at for at in self._failed if now - at < WITHIN_S]
        if not self._token or len(self._failed) >= TRIES:
            return False
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            self._failed.append(now)
            return False
        return True

    def log_in(self, token: str, name: str) -> str:
        """Return the id of a new session; empty where the token is wrong, or was wrong too often."""
        if not self.shows(token):
            return ""
        now = self._clock.monotonic()
        self._open = {key: one for key, one in self._open.items() if one.until > now}
        while len(self._open) >= MOST:
            self._open.pop(next(iter(self._open)))
        key = self._random()
        self._open[key] = Session(name, self._random(), now + LASTS_S)
        return key

    def of(self, key: str) -> Session | None:
        """Return the session of a cookie."""
        session = self._open.get(key)
        return session if session is not None and session.until > self._clock.monotonic() else None

    def log_out(self, key: str) -> None:
        """End a session."""
        self._open.pop(key, None)
