"""`python -m benchmarks.signals [--hosts 1000] [--vms 10000]`: prints a table in Markdown.

`remora signals read` as a whole process, from start to the file on the disk, against a server on this machine whose
answers are ready; beside it, a plain reading of the same values (see `plain.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.case import REMORA
from benchmarks.measure import measure
from benchmarks.signals.world import answers
from optimizer.signals.config import SignalsPart, wanted_signals
from optimizer.sources.config_yaml import read_config

GIB = 1024
WITHIN_S, WITHIN_MIB = 10.0, 600.0


def fleet_of(hosts: int, vms: int) -> dict[str, Any]:
    """Return a plain fleet: sizes matter here, not what is wrong with it."""
    capacity = {"cpu_millicores": 128_000, "memory_mib": 1024 * GIB, "disk_mib": 20_000 * GIB}
    demand = {"cpu_millicores": 4000, "memory_mib": 8 * GIB, "disk_mib": 80 * GIB}
    return {
        "format": "remora-fleet/1",
        "fleet": "bench",
        "taken_at": datetime.now(UTC).isoformat(),
        "resources": [{"name": name, "copied": name != "cpu_millicores"} for name in capacity],
        "levels": ["host", "rack"],
        "hosts": [{"id": f"h{h}", "domains": {"rack": f"r{h // 20}"}, "capacity": capacity} for h in range(hosts)],
        "vms": [
            {"id": f"{v:08d}-0000-4000-8000-000000000000", "host": f"h{v % hosts}", "demand": demand}
            for v in range(vms)
        ],
    }


def main(arguments: list[str]) -> int:
    """Measure both and print the table; exits with 1 where ours is over its limits."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--vms", type=int, default=10_000)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        return _run(Path(directory), asked.hosts, asked.vms)


def _run(directory: Path, hosts: int, vms: int) -> int:
    snapshot, config, queries = (directory / name for name in ("fleet.json", "remora.json.yaml", "queries.json"))
    snapshot.write_text(json.dumps(fleet_of(hosts, vms)), "utf-8")
    config.write_text("inventory: {file: fleet.json, max_age_s: 86400}\n", "utf-8")
    settings = read_config(config)
    wanted = wanted_signals(settings, settings.section("signals", SignalsPart))
    said = answers(config, snapshot)
    info = next(query for query in said if "openstack_info" in query)
    queries.write_text(json.dumps([("info", info), *((one.signal.name, one.signal.query) for one in wanted)]), "utf-8")
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.signals.world", str(config), str(snapshot)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        out = str(directory / "joined.json")
        ours = measure([*REMORA, "signals", "read", "--config", str(config), "--prometheus", url, "-o", out])
        if ours.exit_code:
            raise SystemExit(f"remora signals read exited with {ours.exit_code}: {ours.complained}")
        plain = [sys.executable, "-m", "benchmarks.signals.plain", url, str(queries), str(snapshot), out]
        peer = measure(plain)
    finally:
        server.kill()
        server.wait()
    series = sum(len(rows) for rows in said.values())
    values = sum(len(said[one.signal.query]) for one in wanted) + len(said[info])
    print("| | series | queries | wall s | CPU s | peak MiB |")
    print("|---|---|---|---|---|---|")
    for name, rows, asked, of in (
        ("remora signals read", series, len(said) + 1, ours),
        ("requests and json, values alone", values, len(wanted) + 1, peer),
    ):
        print(f"| {name} | {rows:,} | {asked} | {of.wall_s:.2f} | {of.cpu_s:.2f} | {of.peak_mib:.0f} |")
    print(f"\nratio: {ours.cpu_s / peer.cpu_s:.2f} of the CPU time, {ours.peak_mib / peer.peak_mib:.2f} of the memory")
    print(f"goal: at most {WITHIN_S:.0f} s and {WITHIN_MIB:.0f} MB for 1,000 hosts and 10,000 VMs, as a whole process")
    within = ours.cpu_s <= WITHIN_S and ours.peak_mib * 1.048576 <= WITHIN_MIB
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
