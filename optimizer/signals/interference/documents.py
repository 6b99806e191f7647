"""Series as documents: `remora-series/1` in JSON, and the same as rows of CSV; and the file of records between runs.

JSON has a list for each VM, `null` where a sample is missing; all lists of a document have the same length::

    {"format": "remora-series/1", "ends_at": "2026-11-29T10:00:00Z", "interval_s": 60,
     "hosts": [{"id": "h0", "kind": "cpu", "total": [5.1, 6.0],
                "vms": [{"id": "v0", "stall": [0.02, 0.11], "use": [1.0, 1.1], "throttled": [0, 0]}]}]}

CSV has a row for each sample: ``time,host,vm,kind,stall,use`` and, if there is one, ``throttled``; a row without a VM
says in `use` what the whole host used. Rows that are not there and empty cells are missing samples.
"""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import MISSING, InputError
from optimizer.signals.interference.records import Record as PairRecord
from optimizer.signals.interference.series import KINDS, HostSeries, Observation
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, choice, exactly, parse_time, real, text, time_text, when
from optimizer.sources.shapes import Field, Listing, Maybe, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

__all__ = [
    "RECORDS_FORMAT",
    "SERIES",
    "SERIES_FORMAT",
    "observation_from_csv",
    "observation_from_document",
    "records_document",
    "records_from_document",
    "series_document",
]

SERIES_FORMAT = "remora-series/1"
RECORDS_FORMAT = "remora-interference/1"

LONGEST = 1_000_000
"""Samples of a series, at most: two years by the minute."""

_ID = text(what="an id")
_FRACTIONS = Listing(Maybe(real(0, 1)))
_AMOUNTS = Listing(Maybe(real(0, 1e15)))

SERIES = Record(
    "document of series",
    {
        "format": Field(exactly(SERIES_FORMAT), "the format's tag"),
        "ends_at": Field(when(), "the time of the last sample"),
        "interval_s": Field(real(0.001, 86_400), "seconds from one sample to the next"),
        "hosts": Field(
            Listing(
                Record(
                    "host's series",
                    {
                        "id": Field(_ID, "the host"),
                        "kind": Field(choice(*KINDS), "what the VMs compete for"),
                        "total": Field(_AMOUNTS, "use by the whole host, in the unit of the VMs' use", None),
                        "vms": Field(
                            Listing(
                                Record(
                                    "VM's series",
                                    {
                                        "id": Field(_ID, "the VM"),
                                        "stall": Field(_FRACTIONS, "fraction of each interval lost waiting"),
                                        "use": Field(_AMOUNTS, "use of the resource"),
                                        "throttled": Field(_FRACTIONS, "the part of stall by its own quota", None),
                                    },
                                )
                            ),
                            "the VMs that were there",
                        ),
                    },
                )
            ),
            "hosts, once for each kind",
        ),
    },
)


def observation_from_document(document: object, where: str) -> Observation:
    """Read a document of series.

    Raises
    ------
    InputError
        With the path of what is wrong.
    """
    checked = check_format(document, SERIES_FORMAT, where)
    check(SERIES, checked, where)
    ends_at = parse_time(checked["ends_at"])
    assert ends_at is not None
    length = _length(checked, where)
    seen: set[tuple[str, str]] = set()
    for i, host in enumerate(checked["hosts"]):
        if (host["id"], host["kind"]) in seen:
            raise InputError(where, f"hosts[{i}].id", host["id"], f"each host once for each kind ({host['kind']})")
        seen.add((host["id"], host["kind"]))
        ids = [vm["id"] for vm in host["vms"]]
        twice = next((k for k, vm in enumerate(ids) if vm in ids[:k]), None) if len(set(ids)) < len(ids) else None
        if twice is not None:
            raise InputError(where, f"hosts[{i}].vms[{twice}].id", ids[twice], "each VM of a host once")
    hosts = tuple(_host(host, length) for host in checked["hosts"])
    return Observation(hosts, ends_at, float(checked["interval_s"]))


def _length(document: dict[str, Any], where: str) -> int:
    """Return the length that all series have."""
    length: int | None = None
    for path, values in _lists(document):
        if length is None:
            length = len(values)
        if len(values) != length or not 0 < length <= LONGEST:
            found = f"{len(values)} samples"
            wanted = f"{length} samples as in the first series" if length else "at least one sample"
            raise InputError(where, path, found, wanted, "null stands for a sample that is missing")
    return length or 0


def _lists(document: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for i, host in enumerate(document["hosts"]):
        if host.get("total") is not None:
            yield f"hosts[{i}].total", host["total"]
        for k, vm in enumerate(host["vms"]):
            for name in ("stall", "use", "throttled"):
                if name in vm:
                    yield f"hosts[{i}].vms[{k}].{name}", vm[name]


def _host(host: dict[str, Any], length: int) -> HostSeries:
    vms = host["vms"]

    def columns(name: str) -> NDArray[np.float64]:
        listed = [vm.get(name) or [None] * length for vm in vms]
        return np.array(listed, np.float64).T.reshape(length, len(vms))

    total = host.get("total")
    return HostSeries(
        host=host["id"],
        kind=host["kind"],
        vms=tuple(vm["id"] for vm in vms),
        stall=columns("stall"),
        use=columns("use"),
        total=None if total is None else np.array(total, np.float64),
        throttled=columns("throttled") if any("throttled" in vm for vm in vms) else None,
    )


def series_document(observation: Observation) -> dict[str, Any]:
    """Return the document of an observation."""

    def plain(column: NDArray[np.float64]) -> list[float | None]:
        return [None if value != value else round(value, 6) for value in column.tolist()]

    hosts = []
    for series in observation.hosts:
        vms = []
        for k, vm in enumerate(series.vms):
            entry: dict[str, Any] = {"id": vm, "stall": plain(series.stall[:, k]), "use": plain(series.use[:, k])}
            if series.throttled is not None:
                entry["throttled"] = plain(series.throttled[:, k])
            vms.append(entry)
        total = {} if series.total is None else {"total": plain(series.total)}
        hosts.append({"id": series.host, "kind": series.kind, **total, "vms": vms})
    return {
        "format": SERIES_FORMAT,
        "ends_at": time_text(observation.ends_at),
        "interval_s": observation.interval_s,
        "hosts": hosts,
    }


# -- CSV -------------------------------------------------------------------------------------------------------------

COLUMNS = ("time", "host", "vm", "kind", "stall", "use")
FRACTIONS = ("stall", "throttled")


def observation_from_csv(content: str, where: str) -> Observation:
    """Read rows of samples; the interval is the shortest step between two times.

    Raises
    ------
    InputError
        With the line of what is wrong.
    """
    reader = csv.DictReader(io.StringIO(content))
    header = reader.fieldnames or []
    for name in COLUMNS:
        if name not in header:
            raise InputError(
                where, "line 1", ",".join(header), f"the columns {', '.join(COLUMNS)}", f"{name} is missing"
            )
    times: dict[str, datetime] = {}
    blocks: dict[tuple[str, str], dict[tuple[str, datetime], tuple[float, float, float]]] = {}
    for row in reader:
        line = f"line {reader.line_num}"
        at = _row_time(row, times, where, line)
        if row["kind"] not in KINDS:
            raise InputError(where, f"{line}, kind", row["kind"], "one of " + ", ".join(KINDS))
        if not row["host"]:
            raise InputError(where, f"{line}, host", row["host"], "the id of a host")
        cells = (_cell(row, "stall", where, line), _cell(row, "use", where, line), _cell(row, "throttled", where, line))
        block = blocks.setdefault((row["host"], row["kind"]), {})
        if (row["vm"] or "", at) in block:
            raise InputError(where, line, row["time"], f"one row for {row['vm'] or row['host']} at each time")
        block[row["vm"] or "", at] = cells
    return _observation(blocks, sorted(set(times.values())), where)


def _row_time(row: dict[str, str], times: dict[str, datetime], where: str, line: str) -> datetime:
    said = row["time"] or ""
    if said not in times:
        at = parse_time(said)
        if at is None:
            raise InputError(where, f"{line}, time", said, "a time with an offset, such as 2026-11-29T10:00:00Z")
        times[said] = at
    return times[said]


def _cell(row: dict[str, str], name: str, where: str, line: str) -> float:
    said = (row.get(name) or "").strip()
    if not said:
        return float("nan")
    try:
        value = float(said)
    except ValueError:
        value = float("inf")
    most = 1.0 if name in FRACTIONS else 1e15
    if not 0 <= value <= most:
        raise InputError(where, f"{line}, {name}", said, f"a number from 0 to {most:g}, or nothing where it is missing")
    return value


def _observation(
    blocks: dict[tuple[str, str], dict[tuple[str, datetime], tuple[float, float, float]]],
    times: list[datetime],
    where: str,
) -> Observation:
    if len(times) < 2:
        raise InputError(where, "", f"{len(times)} times", "samples of at least two times")
    interval = min((b - a).total_seconds() for a, b in pairwise(times))
    length = round((times[-1] - times[0]).total_seconds() / interval) + 1
    if length > LONGEST:
        raise InputError(
            where, "time", f"steps of {interval:g} s over {times[-1] - times[0]}", f"at most {LONGEST} steps"
        )
    place = {}
    for at in times:
        step = (at - times[0]).total_seconds() / interval
        if abs(step - round(step)) > 0.1:
            hint = "two clocks, perhaps: round the times to the scrape's interval"
            raise InputError(where, "time", time_text(at), f"times that are {interval:g} s apart, or a multiple", hint)
        place[at] = round(step)
    hosts = tuple(_block_series(host, kind, rows, place, length) for (host, kind), rows in blocks.items())
    return Observation(hosts, times[-1], interval)


def _block_series(
    host: str,
    kind: str,
    rows: dict[tuple[str, datetime], tuple[float, float, float]],
    place: dict[datetime, int],
    length: int,
) -> HostSeries:
    vms = tuple(dict.fromkeys(vm for vm, _ in rows if vm))
    column = {vm: k for k, vm in enumerate(vms)}
    arrays = np.full((3, length, len(vms)), np.nan)
    total = np.full(length, np.nan)
    for (vm, at), cells in rows.items():
        if vm:
            arrays[:, place[at], column[vm]] = cells
        else:
            total[place[at]] = cells[1]
    stall, use, throttled = arrays
    return HostSeries(host, kind, vms, stall, use, total, None if np.isnan(throttled).all() else throttled)


# -- records ---------------------------------------------------------------------------------------------------------


def records_document(records: Iterable[PairRecord], at: datetime) -> dict[str, Any]:
    """Return the document that keeps records between runs."""
    return {"format": RECORDS_FORMAT, "written_at": time_text(at), "pairs": [record.to_dict() for record in records]}


def records_from_document(document: object, where: str) -> tuple[PairRecord, ...]:
    """Read what `records_document` made.

    Raises
    ------
    InputError
        With the path of what is wrong.
    """
    checked = check_format(document, RECORDS_FORMAT, where)
    pairs = checked.get("pairs")
    if not isinstance(pairs, list):
        raise InputError(where, "pairs", MISSING if pairs is None else pairs, "a list of records")
    out = []
    for i, values in enumerate(pairs):
        try:
            if not isinstance(values, dict):
                raise ValueError("no object")
            out.append(PairRecord.from_dict(values))
        except ValueError as error:
            raise InputError(where, f"pairs[{i}]", values, "a record that this command wrote", str(error)) from None
    return tuple(out)
