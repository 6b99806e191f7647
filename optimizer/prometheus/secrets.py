"""What queries are sent with: read once, from where the configuration says that it is, and never printed."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execution import Prometheus

__all__ = ["Secret", "read_secret"]

SECRET_LIMIT = 65536


class Secret:
    """A bearer token, or a name and a password; it never prints itself."""

    def __init__(self, value: str = "", username: str = "") -> None:
        self._value, self._username = value, username
        self._pair = b64encode(f"{username}:{value}".encode()).decode()

    def __call__(self, request: Any) -> Any:
        """Put it on a request; called by `requests`."""
        if self._username:
            request.headers["Authorization"] = f"Basic {self._pair}"
        elif self._value:
            request.headers["Authorization"] = f"Bearer {self._value}"
        return request

    def scrubbed(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self._value, "***").replace(self._pair, "***") if self._value else text


def read_secret(where: str, path: str, asked: Prometheus, environ: Mapping[str, str]) -> Secret:
    """Read the secret from where it is said to be.

    Parameters
    ----------
    where, path
        The file that says so and the field in it, such as ``execution.prometheus``, for messages.

    Raises
    ------
    InputError
        It is not there, or nothing that can be sent; the message does not have it.
    """
    named = {
        "token_env": asked.token_env,
        "token_file": asked.token_file,
        "password_env": asked.password_env,
        "password_file": asked.password_file,
    }
    field, name = next(((f, n) for f, n in named.items() if n), ("", ""))
    if not name:
        return Secret()
    at = f"{path}.{field}"
    if field.endswith("_env"):
        value = environ.get(name, "")
        expected = "the name of an environment variable that is set"
    else:
        try:
            with Path(name).open(encoding="utf-8") as file:
                value = file.read(SECRET_LIMIT).strip()
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "not UTF-8"
            raise InputError(where, at, name, "a file that can be read", problem) from error
        expected = "a file with the secret in it"
    if not value or not value.isprintable() or not (value.isascii() or asked.username):
        raise InputError(where, at, name, expected, "the secret has to be one line, a token in ASCII")
    return Secret(value, asked.username)
