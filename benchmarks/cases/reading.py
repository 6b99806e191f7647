"""Reading: `remora show` takes a snapshot in and adds it up; nothing is solved."""

from __future__ import annotations

import subprocess

from benchmarks.case import REMORA, Missing, Party, Settings, Trial, case, parse_json_peer

__all__ = ["reading"]


@case("reading", "`remora show` on a generated fleet: read, checked, summed up")
def reading(settings: Settings) -> list[Trial]:
    """Read a fleet of ten thousand hosts (quick: a thousand)."""
    hosts = 1_000 if settings.quick else 10_000
    path = settings.work / f"read-{hosts}.json"
    command = (*REMORA, "generate", "--hosts", str(hosts), "--vms", str(10 * hosts), "--seed", str(settings.seed))
    made = subprocess.run((*command, "-o", str(path)), capture_output=True, text=True, check=False)
    if made.returncode:
        raise Missing(f"remora generate failed: {made.stderr.strip()[-200:]}")
    mebibytes = path.stat().st_size / 2**20
    return [
        Trial(
            label=f"{hosts} hosts / {10 * hosts} VMs",
            ours=Party((*REMORA, "show", str(path)), read=lambda printed: {"MiB": round(mebibytes)}),
            peer=parse_json_peer(path),
        )
    ]
