"""Who may ask the gateway for what: a file of hashes, so that whoever reads it has no token.

One line each, ``agent HOST HASH`` or ``executor NAME HASH``; the hash is the SHA-256 of the token, in hexadecimal. A
host may have two (while one is replaced), and several hosts may have the same.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Tokens", "digest_of", "read_token", "read_tokens"]

ROLES = ("agent", "executor")
HASH = re.compile(r"[0-9a-f]{64}\Z")
LEAST = 16


def digest_of(token: str) -> str:
    """Return the hash of a token, as the file has it."""
    return sha256(token.encode()).hexdigest()


class Tokens:
    """The hashes by role and name."""

    def __init__(self, entries: Iterable[tuple[str, str, str]]) -> None:
        self._agents: dict[str, list[str]] = {}
        self._executors: list[str] = []
        for role, name, digest in entries:
            (self._agents.setdefault(name, []) if role == "agent" else self._executors).append(digest)

    def is_agent(self, token: str, host: str) -> bool:
        """Whether a token is that of a host's agent."""
        return _among(token, self._agents.get(host, ()))

    def is_executor(self, token: str) -> bool:
        """Whether a token is that of somebody who may give orders."""
        return _among(token, self._executors)

    def is_known(self, token: str) -> bool:
        """Whether a token is anybody's."""
        return _among(token, (*self._executors, *(d for ds in self._agents.values() for d in ds)))


def _among(token: str, digests: Iterable[str]) -> bool:
    """Compare with every hash, in a time that does not say which or how far it was right."""
    presented, found = digest_of(token), False
    for digest in digests:
        found |= hmac.compare_digest(presented, digest)
    return found


def read_tokens(path: str) -> Tokens:
    """Read the gateway's file.

    Raises
    ------
    InputError
        It cannot be read, or a line is wrong.
    """
    entries = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = line.strip().removeprefix(words[0]).removesuffix(words[-1]).strip()
        if words[0] not in ROLES or not name or not HASH.match(words[-1]):
            shown = " ".join(words[:2])
            raise InputError(path, f"line {number}", shown, "`agent HOST HASH` or `executor NAME HASH`", "SHA-256, hex")
        entries.append((words[0], name, words[-1]))
    if not entries:
        raise InputError(path, "", "no token", "at least one line `agent HOST HASH` or `executor NAME HASH`")
    return Tokens(entries)


def read_token(path: str) -> str:
    """Read the one token in a file of its own.

    Raises
    ------
    InputError
        It cannot be read, holds no token, or others may read it.
    """
    token = _text(path).strip()
    if len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(path, "", f"{len(token)} characters", f"one token of {LEAST} printable characters or more")
    mode = Path(path).stat().st_mode & 0o077
    if mode:
        raise InputError(path, "", f"mode {mode:o} for others", "a file that its owner alone may read", "chmod 600")
    return token


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "", str(error), "a file of tokens") from error
