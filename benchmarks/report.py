"""What was measured, for people (Markdown) and for machines (JSON), with what is needed to understand it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.case import Settings
    from benchmarks.runner import Row

__all__ = ["as_document", "as_markdown"]

PACKAGES = ("remora", "ortools", "numpy", "orjson")


def as_document(rows: Sequence[tuple[str, Row]], settings: Settings, date: str) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "date": date,
        "machine": {"cores": len(os.sched_getaffinity(0)), "cpu": _cpu(), "system": platform.system()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "settings": {"quick": settings.quick, "seed": settings.seed, "workers": settings.workers},
        "rows": [
            {
                "case": case,
                "label": row.label,
                "runs": row.runs,
                "wall_s": round(row.wall_s, 3),
                "cpu_s": round(row.cpu_s, 3),
                "peak_mib": round(row.peak_mib, 1),
                "peer_wall_s": round(row.peer_wall_s, 3),
                "ratio": round(row.ratio, 2),
                "verdict": row.verdict,
                "answer": dict(row.answer),
            }
            for case, row in rows
        ],
    }


def as_markdown(document: dict[str, Any]) -> str:
    """Return a page with one table."""
    machine, versions, settings = document["machine"], document["versions"], document["settings"]
    lines = [
        f"Measured {document['date']} on {machine['cores']} cores ({machine['cpu']}), "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; seed {settings['seed']}, {settings['workers']} workers"
        + (", quick sizes." if settings["quick"] else "."),
        "",
        "| case | what | runs | wall s | CPU s | peak MiB | × peer | answer | verdict |",
        "|---|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for row in document["rows"]:
        answer = ", ".join(f"{name} {value}" for name, value in row["answer"].items())
        cells = [row["case"], row["label"], str(row["runs"]), f"{row['wall_s']:.2f}", f"{row['cpu_s']:.2f}"]
        cells += [f"{row['peak_mib']:.0f}", f"{row['ratio']:.1f}", answer, row["verdict"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
