"""Puts what is known of interference into a snapshot or a fleet: `interference`, `noise` and `pressure` of the VMs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any

from optimizer.fleet import Interference, Pressure
from optimizer.signals.interference.records import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.fleet import Fleet
    from optimizer.signals.interference.confirmation import Outcome
    from optimizer.signals.interference.records import Record
    from optimizer.signals.interference.settings import Settings

__all__ = ["decided", "fleet_with_evidence", "noisy_ones", "pressure_of", "with_evidence"]

Document = dict[str, Any]


def noisy_ones(records: Iterable[Record], settings: Settings) -> dict[str, int]:
    """Return the VMs that disturb at least `noisy_from` others, and how many."""
    suffer: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.counts:
            suffer[record.noisy].add(record.suffers)
    return {vm: len(those) for vm, those in sorted(suffer.items()) if len(those) >= settings.noisy_from}


def decided(records: Iterable[Record], settings: Settings) -> list[Record]:
    """Return the records that count; where each of two VMs disturbs the other and one is the noisy one, that one's."""
    counting = [record for record in records if record.counts]
    noisy, pairs = noisy_ones(counting, settings), {record.pair for record in counting}
    return [
        record
        for record in counting
        if not (
            record.suffers in noisy
            and record.noisy not in noisy
            and Pair(record.suffers, record.noisy, record.kind) in pairs
        )
    ]


def with_evidence(document: Document, outcome: Outcome, settings: Settings) -> Document:
    """Return a snapshot with the evidence in it.

    Evidence that the snapshot had stays, but for pairs that are refuted, and for those that the outcome has too.
    `pressure` of a VM is its mean stall over the windows; `noise` is what it costs all others together. A VM whose
    series were read and that disturbs nobody has the noise 0; what was not read keeps what it had.
    """
    vms = {vm["id"] for vm in document["vms"]}
    records = [record for record in decided(outcome.records, settings) if {record.noisy, record.suffers} <= vms]
    judged = {record.pair for record in outcome.records}
    others = [
        entry
        for entry in document.get("interference", [])
        if Pair(entry["noisy"], entry["suffers"], entry["kind"]) not in judged
    ]
    entries = [
        {"noisy": record.noisy, "suffers": record.suffers, "kind": record.kind, "score": round(record.score, 6)}
        for record in records
    ]
    pressure = pressure_of(outcome)
    noise = _noise(records)
    changed = [_vm(vm, pressure.get(vm["id"], {}), noise.get(vm["id"], {})) for vm in document["vms"]]
    return {**document, "vms": changed, "interference": [*others, *entries]}


def fleet_with_evidence(
    fleet: Fleet, records: Iterable[Record], pressure: Mapping[str, Mapping[str, float]], settings: Settings
) -> Fleet:
    """Return a fleet with the evidence in it, as `with_evidence` does for a snapshot.

    Parameters
    ----------
    records
        What is known of pairs; those of VMs that are not in the fleet are left out.
    pressure
        By VM and kind its mean stall, as `pressure_of` has it.
    """
    index, ids, judged = fleet.vm_index, fleet.vms.ids, tuple(records)
    known = [record for record in decided(judged, settings) if record.noisy in index and record.suffers in index]
    pairs = {record.pair for record in judged}
    others = [e for e in fleet.interference if Pair(ids[e.noisy], ids[e.suffers], e.kind) not in pairs]
    entries = [Interference(index[r.noisy], index[r.suffers], r.kind, round(r.score, 6)) for r in known]
    noise, felt, made = fleet.vms.noise.copy(), fleet.vms.pressure.copy(), _noise(known)
    for vm in (pressure.keys() | made.keys()) & index.keys():
        costs, stalls = made.get(vm, {}), pressure.get(vm, {})
        for kind in {*costs, *stalls}:
            noise[index[vm], Pressure[kind.upper()]] = round(costs.get(kind, 0.0), 6)
        for kind, stall in stalls.items():
            felt[index[vm], Pressure[kind.upper()]] = stall
    return replace(fleet, vms=replace(fleet.vms, noise=noise, pressure=felt), interference=(*others, *entries))


def pressure_of(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Return by VM and kind its mean stall over the windows."""
    out: dict[str, dict[str, float]] = defaultdict(dict)
    for found in outcome.attributions:
        for vm, stall in zip(found.vms, found.stall.tolist(), strict=True):
            if not isnan(stall):
                out[vm][found.kind] = min(max(round(stall, 6), 0.0), 1.0)
    return out


def _noise(records: Iterable[Record]) -> dict[str, dict[str, float]]:
    """Return by VM and kind what it costs the others together."""
    out: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        out[record.noisy][record.kind] += record.score
    return out


def _vm(vm: Document, pressure: dict[str, float], noise: dict[str, float]) -> Document:
    kinds = sorted({*pressure, *noise})
    if not kinds:
        return vm
    made = {kind: round(noise.get(kind, 0.0), 6) for kind in kinds}
    out = {**vm, "noise": {**vm.get("noise", {}), **made}}
    if pressure:
        out["pressure"] = {**vm.get("pressure", {}), **pressure}
    return out
