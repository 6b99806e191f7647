"""`python -m benchmarks.whatif waves [HOSTS ...]`: waves of maintenance beside hroller.

Ganeti is told what `benchmarks.peers.statement` says: memory, CPU, and who must not share a host. It is not told of
disks or measured load, so its problem is the easier one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from benchmarks.case import PYTHON, REMORA, ROOT, Settings, generated_fleet
from benchmarks.cases.peers import DRIVERS, HTOOLS
from benchmarks.peers.places import debian_programs

SIZES = (20, 100, 400)
CALM = ("--memory-fill", "0.5", "--full-disks", "0", "--hot", "0", "--misplaced", "0", "--requiring", "0")
LIMIT_S = 300


def measured(command: tuple[str, ...], libraries: str = "") -> tuple[str, float, int]:
    """Run a command; return what it printed, its CPU seconds, and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=environment)
        printed, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired:
        printed, code = "", -1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return printed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, code


def cluster(fleet: Path) -> Path:
    """Return the file that Ganeti's programs read for a fleet."""
    said = fleet.with_suffix(".said.json")
    subprocess.run((*PYTHON, "-m", "benchmarks.peers.statement", str(fleet), str(said)), check=True, cwd=ROOT)
    spec = spec_from_file_location("hbal_driver", DRIVERS / "hbal_driver.py")
    assert spec is not None and spec.loader is not None
    driver: Any = module_from_spec(spec)
    spec.loader.exec_module(driver)
    out = fleet.with_suffix(".ganeti")
    out.write_text(driver.text(json.loads(said.read_bytes())), encoding="utf-8")
    return out


def compare(settings: Settings, hosts: int) -> tuple[tuple[str, ...], bool]:
    """Return the row of one size, and whether there are no more waves than theirs."""
    fleet = generated_fleet(settings, f"calm-{hosts}.json", hosts, 5 * hosts, *CALM)
    data = str(cluster(fleet))
    hroller, libraries = debian_programs(HTOOLS, "hroller")
    printed, ours_s, _ = measured((*REMORA, "whatif", "roll", str(fleet), "--json"))
    rolled = json.loads(printed)
    groups, theirs_s, code = measured((str(hroller), "-t", data, "--force", "--no-headers"), libraries)
    waves = sum(bool(line.strip()) for line in groups.splitlines()) if code == 0 else None
    told = "none found" if waves is None else str(waves)
    row = (f"{hosts}", "waves", _said(rolled), f"{ours_s:.1f}", told, f"{theirs_s:.1f}")
    return row, waves is None or rolled["value"] <= waves


def _said(answer: dict[str, Any]) -> str:
    stuck = len(answer.get("stuck", ()))
    proof = "proven" if answer["status"] == "proven" else f"bound {answer['bound']}"
    return f"{answer['value']} ({proof})" + (f", {stuck} hosts not emptied" if stuck else "")


def print_waves(sizes: list[int]) -> bool:
    """Print the table; return whether there were never more waves than theirs."""
    well = True
    print(f"{'hosts':>5}  {'question':<12}  {'Remora':<30}  {'CPU s':>6}  {'Ganeti':>10}  {'CPU s':>6}")
    with tempfile.TemporaryDirectory() as work:
        for hosts in sizes or SIZES:
            row, no_more = compare(Settings(Path(work)), hosts)
            print(f"{row[0]:>5}  {row[1]:<12}  {row[2]:<30}  {row[3]:>6}  {row[4]:>10}  {row[5]:>6}", flush=True)
            well &= no_more
    return well
