"""How a file says where a Prometheus is: in the `execution` of a policy, and in `signals` of a configuration."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.execution import Prometheus

__all__ = ["PrometheusPart", "prometheus_address"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]


def _address(url: str) -> str:
    """Refuse what is no address of a Prometheus, or has a secret in it; the message shows neither."""
    if not re.fullmatch(r"https?://[^\s@/?#]+(/[^\s@?#]*)?", url):
        raise ValueError("http://HOST:PORT/PATH or https://..., without a user, a password or a query in it")
    return url.rstrip("/")


def prometheus_address(where: str, url: str) -> str:
    """Return the address of a Prometheus as it is used.

    Raises
    ------
    InputError
        It is none, or has a secret in it; the message does not show it.
    """
    try:
        return _address(url)
    except ValueError as error:
        raise InputError(where, "", "what stands there (it may be a secret)", str(error)) from None


_Url = Annotated[str, Field(max_length=2000), AfterValidator(lambda url: _address(url) if url else url)]


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class PrometheusPart:
    """Where queries go, where the secret is that they need, and whose certificates are believed."""

    url: _Url = ""
    token_env: _Variable | None = None
    token_file: str = ""
    username: str = ""
    password_env: _Variable | None = None
    password_file: str = ""
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        token, password = (
            bool(self.token_env) + bool(self.token_file),
            bool(self.password_env) + bool(self.password_file),
        )
        if token + password > 1 or bool(self.username) != bool(password):
            raise ValueError("token_env, or token_file, or username with password_env or password_file")
        if self.client_key_file and not self.client_cert_file:
            raise ValueError("client_cert_file with client_key_file")
        return self

    def plain(self) -> Prometheus:
        """Return it as plain data."""
        return Prometheus(
            url=self.url,
            token_env=self.token_env or "",
            token_file=self.token_file,
            username=self.username,
            password_env=self.password_env or "",
            password_file=self.password_file,
            ca_file=self.ca_file,
            client_cert_file=self.client_cert_file,
            client_key_file=self.client_key_file,
        )
