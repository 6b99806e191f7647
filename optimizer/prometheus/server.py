"""Where queries go: the address, the secret, whose certificates are believed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.prometheus.secrets import Secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execution import Prometheus

__all__ = ["Server", "open_server"]

PACKAGE = "prometheus_api_client"


@dataclass(frozen=True, slots=True)
class Server:
    """A Prometheus that can be asked.

    Attributes
    ----------
    url
        Without a slash at its end.
    ca_file
        The certificates that are believed, instead of the system's.
    client_cert
        What this process shows of itself: the files of a certificate and its key, or one with both.
    """

    url: str
    secret: Secret = field(default_factory=Secret)
    ca_file: str = ""
    client_cert: tuple[str, str] | str | None = None


def open_server(where: str, path: str, asked: Prometheus, environ: Mapping[str, str], url: str = "") -> Server:
    """Make ready to ask a Prometheus: read the secret, look whether the certificates are there; nothing is asked yet.

    Parameters
    ----------
    where, path
        The file that says how and the field in it, for messages.
    url
        The address, instead of what `asked` says.

    Raises
    ------
    InputError
        No address, no secret where one should be, no certificate, or the package is not installed.
    """
    address = url or asked.url
    if not address:
        hint = "or name it with --prometheus, or in REMORA_PROMETHEUS"
        raise InputError(where, f"{path}.url", "", "the address of a Prometheus", hint)
    if importlib.util.find_spec(PACKAGE) is None:
        hint = "pip install -e '.[prometheus]' in the checkout"
        raise InputError(where, path, "not installed", "the package prometheus-api-client", hint)
    for name in ("ca_file", "client_cert_file", "client_key_file"):
        file = getattr(asked, name)
        if file and not Path(file).is_file():
            raise InputError(where, f"{path}.{name}", file, "a file that can be read")
    cert: tuple[str, str] | str | None = asked.client_cert_file or None
    if asked.client_key_file:
        cert = (asked.client_cert_file, asked.client_key_file)
    return Server(address.rstrip("/"), read_secret(where, path, asked, environ), asked.ca_file, cert)
