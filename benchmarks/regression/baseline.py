"""The baseline: what the program once was, where, and how sure that is; a file that is kept with the sources."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import processor
from benchmarks.regression.noise import Estimate, Figure
from optimizer.errors import InputError
from optimizer.sources.files import parse_json, read_bytes, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BASELINE", "Baseline", "machine", "read_baseline", "write_baseline"]

BASELINE = Path(__file__).resolve().parent.parent / "baseline.json"
"""The baseline of this checkout."""

FORMAT = "remora-baseline/1"

PACKAGES = ("numba", "numpy", "ortools")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Figures by name, and the machine and versions that they belong to."""

    machine: Mapping[str, str]
    speed: Mapping[str, Figure]
    quality: Mapping[str, Figure]


def machine() -> dict[str, str]:
    """Return what ratios may depend on although the program is the same."""
    return {"cpu": processor(), "python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises
    ------
    InputError
        If there is none, or it is not what `write_baseline` writes.
    """
    document = parse_json(read_bytes(path), str(path))
    try:
        if document["format"] != FORMAT:
            raise InputError(str(path), "format", document["format"], f'"{FORMAT}"', HINT)
        return Baseline(document["machine"], _measured(document["speed"]), _measured(document["quality"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(str(path), "", repr(error), "a baseline", HINT) from error


HINT = "remora bench --renew makes it anew"


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline: a line for each figure, so that a change shows which ones changed."""
    document = {
        "format": FORMAT,
        "machine": dict(baseline.machine),
        "speed": _rows(baseline.speed),
        "quality": _rows(baseline.quality),
    }
    write_whole(path, (json.dumps(document, indent=1) + "\n").encode())


def _rows(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        name: {
            "value": round(found.estimate.value, 6),
            "error": round(found.estimate.error, 6),
            "digest": found.digest[:16],
        }
        for name, found in figures.items()
    }


def _measured(rows: Mapping[str, Any]) -> dict[str, Figure]:
    return {
        name: Figure(Estimate(float(row["value"]), float(row["error"])), str(row["digest"]))
        for name, row in rows.items()
    }
