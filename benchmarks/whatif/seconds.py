"""How long each question of `remora whatif` takes as a whole process, beside what is asked of it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from optimizer.sources.fleet_json import read_fleet

__all__ = ["SIZE", "ask", "given_fleets", "print_seconds"]

ROOT = Path(__file__).parents[2]
SIZE = "cpu=4,memory=16GiB,disk=50GiB"
LATEST_S = 600

QUICK = {
    "fit": ("fit", "FLEET", "--flavour", SIZE),
    "fit, groups of 3 over racks": ("fit", "FLEET", "--flavour", SIZE, "--replicas", "3", "--level", "rack"),
    "place 100": ("place", "FLEET", "--flavour", SIZE, "--count", "100"),
    "drain a host": ("drain", "FLEET", "HOST"),
    "drain a rack": ("drain", "FLEET", "RACK"),
}
"""What a person waits for, as arguments."""

LONG = {
    "fit after 20 moves": ("fit", "FLEET", "--flavour", SIZE, "--moves", "20"),
    "empty": ("empty", "FLEET"),
    "lose, hosts and racks": ("lose", "FLEET"),
}

QUICK_S, LONG_S, LARGE_S = 5.0, 60.0, 30.0
"""Seconds asked of `QUICK` and `LONG` on 1,000 hosts, and of `QUICK` on 10,000."""

MARGIN_S = 5.0
"""By how much less than what is asked the limit of a long question is: to start, read and print."""


def ask(*arguments: str) -> tuple[dict[str, Any], float, float]:
    """Return the answer of a process of its own, and its wall and CPU seconds.

    Raises
    ------
    RuntimeError
        If it does not answer.
    """
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "cli.py"), "whatif", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=LATEST_S)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), time.monotonic() - began, cpu


def given_fleets() -> dict[str, Path]:
    """Return the given fleets by name (REMORA_DATA)."""
    data = Path(os.environ.get("REMORA_DATA", ROOT.parent / "shared" / "data"))
    return {p.name.partition(".")[0]: p for p in sorted((data / "fleets").glob("*.json.xz"))}


def print_seconds() -> bool:
    """Print the table; return whether each whole process took no more CPU or wall time than is asked of it.

    The smaller of the two counts: CPU time has that of all threads in it, and wall time that of other programs.
    """
    print("| fleet | question | answer | bound | wall s | CPU s | asked |")
    print("|---|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as directory:
        large = Path(directory) / "large.json"
        made = ("generate", "--hosts", "10000", "--vms", "100000", "-o", str(large))
        subprocess.run((sys.executable, str(ROOT / "cli.py"), *made), check=True, capture_output=True)
        small = given_fleets()["fleet-1000"]
        rows = [("1,000 / 10,000", small, name, words, QUICK_S) for name, words in QUICK.items()]
        rows += [("1,000 / 10,000", small, name, words, LONG_S) for name, words in LONG.items()]
        rows += [("10,000 / 100,000", large, name, words, LARGE_S) for name, words in QUICK.items()]
        return all([_row(fleet, path, name, words, asked) for fleet, path, name, words, asked in rows])


def _row(fleet: str, path: Path, name: str, words: tuple[str, ...], asked: float) -> bool:
    """Print a row; return whether it was in time."""
    host, rack = _first_of(path)
    hosts = {"FLEET": str(path), "HOST": host, "RACK": f"rack:{rack}"}
    limit = ("--time-limit", f"{asked - MARGIN_S:g}") if asked == LONG_S else ()
    answer, wall, cpu = ask(*(hosts.get(word, word) for word in words), *limit)
    value, bound = _told(answer)
    well = min(wall, cpu) <= asked
    told = f"{asked:g}" if well else f"**{asked:g}**"
    print(f"| {fleet} | {name} | {value} | {bound} | {wall:.1f} | {cpu:.1f} | {told} |", flush=True)
    return well


def _first_of(path: Path) -> tuple[str, str]:
    """Return the first host of a fleet's file, and its rack."""
    fleet = read_fleet(path)
    level = fleet.levels.index("rack")
    return fleet.hosts.ids[0], fleet.domain_ids[level][int(fleet.hosts.domain[level, 0])]


def _told(answer: dict[str, Any]) -> tuple[str, str]:
    """Return what was answered, and its bound."""
    if answer["question"] == "lose":
        return f"{answer['survived']:,} of {answer['tried']:,} survived", answer["status"]
    if answer["question"] == "drain":
        return f"{len(answer['moves']):,} moves", f"{answer['bound']:,}"
    last = answer["after_moves"][-1] if answer.get("after_moves") else answer
    value = answer["placed"] if answer["question"] == "place" else last["value"]
    return f"{value:,}", f"{last['bound']:,}"
