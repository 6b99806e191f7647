"""Reading: `remora show` takes a snapshot in and adds it up; nothing is solved."""

from __future__ import annotations

from benchmarks.case import REMORA, Party, Settings, Trial, case, generated_fleet, parse_json_peer

__all__ = ["reading"]


@case("reading", "`remora show` on a generated fleet: read, checked, summed up")
def reading(settings: Settings) -> list[Trial]:
    """Read a fleet of ten thousand hosts (quick: a thousand)."""
    hosts = 1_000 if settings.quick else 10_000
    path = generated_fleet(settings, f"read-{hosts}.json", hosts, 10 * hosts)
    mebibytes = path.stat().st_size / 2**20
    return [
        Trial(
            label=f"{hosts} hosts / {10 * hosts} VMs",
            ours=Party((*REMORA, "show", str(path)), read=lambda printed: {"MiB": round(mebibytes)}),
            peer=parse_json_peer(path),
        )
    ]
