"""The past of a fleet's use as a table: a time, a pool if there are several, and a column for each resource."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from optimizer.errors import InputError
from optimizer.sources.files import read_bytes
from optimizer.sources.kinds import parse_time, similar
from optimizer.sources.units import UnitError, parse_amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Past", "read_history", "refuse_late"]

MOST_ROWS = 1_000_000
REACH_S = 3 * 86400
TIME, POOL = "time", "pool"


class Past(NamedTuple):
    """What was allocated of one resource in one pool: epoch seconds and amounts, in the order of the file."""

    pool: str
    resource: str
    times: list[float]
    amounts: list[float]


def read_history(path: Path | str, resources: Sequence[str], pools: Sequence[str], taken_at: datetime) -> list[Past]:
    """Read a CSV file that reaches to the snapshot.

    Its columns are ``time``, ``pool`` (where there are several pools) and resources of the fleet.

    Amounts are in the resource's own unit, or have one (``12TiB``). An empty cell says nothing.

    Raises
    ------
    InputError
        With the first thing that is wrong, and its line.
    """
    where = str(path)
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8-sig")), strict=True)
        columns = list(rows.fieldnames or ())
        wanted = _columns(columns, resources, pools, where)
        found: dict[tuple[str, str], Past] = {}
        for row in rows:
            if rows.line_num > MOST_ROWS:
                raise InputError(where, f"line {rows.line_num}", "more rows", f"at most {MOST_ROWS:,} rows")
            for pool, resource, at, amount in _values(row, wanted, pools, where, rows.line_num):
                past = found.setdefault((pool, resource), Past(pool, resource, [], []))
                past.times.append(at)
                past.amounts.append(amount)
    except UnicodeDecodeError as error:
        raise InputError(
            where,
            "",
            f"{error.object[error.start]:#x}",
            "text in UTF-8",
            f"byte {error.start + 1} is none: save the file as UTF-8",
        ) from error
    except csv.Error as error:
        raise InputError(where, f"line {rows.line_num}", str(error), "CSV", "is a quote not closed?") from error
    if not found:
        raise InputError(where, "", "no row", "at least one row with a time and an amount")
    for past in found.values():
        refuse_late(past, taken_at, where)
    return list(found.values())


def refuse_late(past: Past, taken_at: datetime, where: str) -> None:
    """Refuse a past that ends long before the snapshot, or after it: the forecast begins where it ends."""
    ends = datetime.fromtimestamp(max(past.times), taken_at.tzinfo)
    if abs((taken_at - ends).total_seconds()) > REACH_S:
        expected = f"a past that ends within {REACH_S // 86400} days of the snapshot ({taken_at.isoformat()})"
        raise InputError(where, f"{past.pool}: {past.resource}: the last time", ends.isoformat(), expected)


def _columns(columns: list[str], resources: Sequence[str], pools: Sequence[str], where: str) -> list[str]:
    known = [TIME, POOL, *resources]
    for name in columns:
        if name not in known:
            raise InputError(where, "line 1", name, f"a column: {', '.join(known)}", similar(name, known))
    if len(set(columns)) < len(columns):
        raise InputError(where, "line 1", ",".join(columns), "each column once")
    if TIME not in columns:
        raise InputError(where, "line 1", ",".join(columns), "a column time")
    if len(pools) > 1 and POOL not in columns:
        raise InputError(where, "line 1", ",".join(columns), "a column pool", f"there are pools {', '.join(pools[:5])}")
    wanted = [name for name in columns if name in resources]
    if not wanted:
        raise InputError(where, "line 1", ",".join(columns), f"at least one resource: {', '.join(resources)}")
    return wanted


def _values(
    row: dict[str, str], wanted: list[str], pools: Sequence[str], where: str, line: int
) -> Iterator[tuple[str, str, float, float]]:
    at = parse_time((row.get(TIME) or "").strip())
    if at is None:
        raise InputError(
            where, f"line {line}: time", row.get(TIME), "a time with an offset, such as 2026-11-21T12:00:00Z"
        )
    if None in row or any(row.get(name) is None for name in wanted):
        raise InputError(where, f"line {line}", "", "as many cells as the header has")
    pool = pools[0] if POOL not in row else row[POOL].strip()
    if pool not in pools:
        raise InputError(where, f"line {line}: pool", pool, f"a pool: {', '.join(pools[:8])}", similar(pool, pools))
    for name in wanted:
        text = row[name].strip()
        if text:
            try:
                yield pool, name, at.timestamp(), float(parse_amount(text, name, up=True))
            except UnitError as error:
                raise InputError(where, f"line {line}: {name}", text, str(error)) from error
