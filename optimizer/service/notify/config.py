"""Section `notify` of `remora.yaml`."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.prometheus.secrets import read_secret
from optimizer.service.notify.sending import Address
from optimizer.sources.config_yaml import STRICT
from optimizer.sources.prometheus_part import CredentialsPart, beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.sources.config_yaml import Config

__all__ = ["ALL", "NotifyPart", "ReceiverPart", "address_of"]

What = Literal["imbalance", "approval", "stop"]
ALL: tuple[What, ...] = ("imbalance", "approval", "stop")
Text = Annotated[str, Field(max_length=2000)]


AN_ADDRESS = "an address: http:// or https://"


def _is_address(url: str) -> bool:
    return url.startswith(("http://", "https://")) and not any(c.isspace() for c in url)


def _address(url: str) -> str:
    if url and not _is_address(url):
        raise ValueError(AN_ADDRESS)
    return url


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReceiverPart(CredentialsPart):
    """One receiver, and what is sent along: a bearer token, or basic authentication.

    Parameters
    ----------
    url, url_env, url_file
        Where to, or the variable or file that has it: the address of a webhook often is a secret.
    of
        What it is told of.
    deadline_s
        For one try, over the whole answer.
    tries
        How often it is tried, with growing pauses.
    """

    url: Annotated[Text, AfterValidator(_address)] = ""
    url_env: Text = ""
    url_file: Text = ""
    of: Annotated[tuple[What, ...], Field(min_length=1)] = ALL
    deadline_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    tries: Annotated[int, Field(ge=1, le=10)] = 3

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if len(self.given) != 1:
            raise ValueError("one of url, url_env, url_file")
        return self

    @property
    def given(self) -> list[str]:
        """Which fields say where it is."""
        return [name for name in ("url", "url_env", "url_file") if getattr(self, name)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NotifyPart:
    """Who is told: webhooks get one JSON document an event, an Alertmanager gets alerts (its v2 API)."""

    webhooks: Annotated[tuple[ReceiverPart, ...], Field(max_length=20)] = field(default_factory=tuple)
    alertmanagers: Annotated[tuple[ReceiverPart, ...], Field(max_length=20)] = field(default_factory=tuple)


def address_of(config: Config, path: str, part: ReceiverPart, environ: Mapping[str, str]) -> Address:
    """Return where a receiver is, with what is sent along; `path` names its field in messages.

    Raises
    ------
    InputError
        Address or secret is not where it is said to be. No message has either.
    """
    [given] = part.given
    url = _url(config, f"{path}.{given}", given, getattr(part, given), environ)
    if not _is_address(url):
        raise InputError(config.where, f"{path}.{given}", "what stands there", AN_ADDRESS)

    credentials = beside(config, part.plain())
    secret = read_secret(config.where, path, credentials, environ)
    return Address(url, secret, credentials.ca_file, part.deadline_s, part.tries)


def _url(config: Config, path: str, kind: str, value: str, environ: Mapping[str, str]) -> str:
    if kind == "url":
        return value
    if kind == "url_env":
        if not environ.get(value):
            raise InputError(config.where, path, value, "a variable that is set")
        return environ[value].strip()
    try:
        return Path(config.beside(value)).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "it is no text"
        raise InputError(config.where, path, problem, "a file that has the address") from error
