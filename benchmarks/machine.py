"""Which machine this is, as far as figures depend on it."""

from __future__ import annotations

import platform

__all__ = ["processor"]


def processor() -> str:
    """Return what the machine says of its processor: with its family and model, for many share a name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            facts = [line.partition(":") for line in file if line.strip()]
    except OSError:
        facts = []
    first: dict[str, str] = {}
    for name, _, value in facts:
        first.setdefault(name.strip(), value.strip())
    parts = [first[key] for key in ("model name", "cpu family", "model") if key in first]
    return " ".join(parts) or platform.machine()
