"""How a file says where something is asked or told, and with which secret.

A Prometheus stands in the `execution` of a policy and in `signals` of a configuration, receivers stand in `notify`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.execution import Prometheus

if TYPE_CHECKING:
    from optimizer.sources.config_yaml import Config

__all__ = ["CredentialsPart", "PrometheusPart", "beside", "prometheus_address"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
_File = Annotated[str, Field(max_length=2000)]
FILES = ("token_file", "password_file", "ca_file", "client_cert_file", "client_key_file")


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


def beside(config: Config, plain: Prometheus) -> Prometheus:
    """Return it with its files named from where the configuration stands."""
    return replace(plain, **{name: str(config.beside(file)) for name in FILES if (file := getattr(plain, name))})


_Url = Annotated[str, Field(max_length=2000), AfterValidator(lambda url: _address(url) if url else url)]


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class CredentialsPart:
    """Where the secret is that is sent along (a bearer token, or a name and a password), and who is believed.

    Parameters
    ----------
    token_env, token_file, username, password_env, password_file
        The variable or the file that has the secret, never the secret itself.
    ca_file
        Certificates that are trusted instead of the system's, PEM.
    """

    token_env: _Variable | None = None
    token_file: _File = ""
    username: _File = ""
    password_env: _Variable | None = None
    password_file: _File = ""
    ca_file: _File = ""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        token, password = (
            bool(self.token_env) + bool(self.token_file),
            bool(self.password_env) + bool(self.password_file),
        )
        if token + password > 1 or bool(self.username) != bool(password):
            raise ValueError("token_env, or token_file, or username with password_env or password_file")
        return self

    def plain(self) -> Prometheus:
        """Return it as plain data."""
        return Prometheus(
            token_env=self.token_env or "",
            token_file=self.token_file,
            username=self.username,
            password_env=self.password_env or "",
            password_file=self.password_file,
            ca_file=self.ca_file,
        )


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class PrometheusPart(CredentialsPart):
    """Where queries go, where the secret is that they need, and whose certificates are believed."""

    url: _Url = ""
    client_cert_file: _File = ""
    client_key_file: _File = ""

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if self.client_key_file and not self.client_cert_file:
            raise ValueError("client_cert_file with client_key_file")
        return self

    def plain(self) -> Prometheus:
        """Return it as plain data."""
        files = {"client_cert_file": self.client_cert_file, "client_key_file": self.client_key_file}
        return replace(super().plain(), url=self.url, **files)
