"""Tokens that people or programs show to the service: read once, from a variable or a file, never printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.sources.config_yaml import Config

__all__ = ["read_token"]

LEAST = 16
MOST = 4096


def read_token(config: Config, path: str, variable: str, file: str, environ: Mapping[str, str]) -> str:
    """Return the token; empty where the section `path` names neither a variable nor a file.

    Raises
    ------
    InputError
        It names both, or there is none, or it is too short to be one; the message does not have it.
    """
    if variable and file:
        raise InputError(config.where, path, "both", "token_env or token_file")
    if not variable and not file:
        return ""
    if variable:
        field, token = f"{path}.token_env", environ.get(variable, "").strip()
    else:
        field = f"{path}.token_file"
        try:
            with Path(config.beside(file)).open(encoding="utf-8") as opened:
                token = opened.read(MOST).strip()
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "it is no text"
            raise InputError(config.where, field, problem, "a file with the token") from error
    if len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token:
        expected = f"one token of {LEAST} printable characters or more"
        raise InputError(config.where, field, f"{len(token)} characters", expected)
    return token
