"""Section `serve` of `remora.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.listening import address_of, is_loopback
from optimizer.service.tokens import TokenPart
from optimizer.sources.config_yaml import STRICT

__all__ = ["ServePart", "check_listen"]

Text = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ServePart(TokenPart):
    """Where the page is served, and who may act by it.

    Parameters
    ----------
    listen
        ``HOST:PORT``; anything but a loopback address wants TLS and a token, and then reading does, too.
    token_env, token_file
        The token that people log in with to approve, stop and resume; without one the page is read-only.
    names
        Further names by which the page is asked for (the Host header), such as that of a proxy.
    tls_cert, tls_key
        Certificate chain and key, PEM.
    """

    listen: Text = "127.0.0.1:9480"
    names: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    tls_cert: Text = ""
    tls_key: Text = ""


def check_listen(where: str, part: ServePart) -> tuple[str, int]:
    """Return the host and port to listen on.

    Raises
    ------
    InputError
        It is no address, or would be open to a network without TLS or a token.
    """
    address = address_of(part.listen)
    if address is None:
        raise InputError(where, "serve.listen", part.listen, "HOST:PORT, such as 127.0.0.1:9480")
    if bool(part.tls_cert) != bool(part.tls_key):
        raise InputError(where, "serve.tls_cert", part.tls_cert, "tls_cert and tls_key, or neither")
    if not is_loopback(address[0]) and not (part.tls_cert and part.has_token):
        expected = "a loopback address, or tls_cert, tls_key and token_file"
        raise InputError(where, "serve.listen", part.listen, expected, "the page can stop and approve")
    return address
