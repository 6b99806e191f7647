"""Tokens that people or programs show to the service: read once, from a variable or a file, never printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.sources.config_yaml import Config

__all__ = ["TokenPart", "read_token"]

LEAST = 16
MOST = 4096


Text = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TokenPart:
    """Where a token is: a variable, or a file, or neither; never the token itself."""

    token_env: Text = ""
    token_file: Text = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("token_env or token_file")
        return self

    @property
    def has_token(self) -> bool:
        """Whether one is named."""
        return bool(self.token_env or self.token_file)


def read_token(config: Config, path: str, part: TokenPart, environ: Mapping[str, str]) -> str:
    """Return the token; empty where the section, which is at `path`, names none.

    Raises
    ------
    InputError
        There is none, or it is too short to be one; the message does not have it.
    """
    variable, file = part.token_env, part.token_file
    if not part.has_token:
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
