"""Certificates that sign themselves, for servers on the loopback address."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["certificate"]


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Make a key and its certificate, good for two days; returns their files, the key's first."""
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", f"/CN={name}"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(words, check=True, capture_output=True)
    return key, cert
