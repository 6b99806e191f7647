"""What keeps one VM more of a kind off each host, counted, and the smallest single change that would let one in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.shapes import LEFT, RIGHT
from optimizer.whatif.greedy import Met

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.whatif.room import Room

__all__ = ["Obstacle", "Unlock", "closed_by", "obstacles", "unlock", "widened"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason and the hosts that it closes.

    Attributes
    ----------
    rules
        Who says so.
    what
        A resource, a group, or in words.
    level
        The number of the level of which a domain is full; None where hosts are closed to the kind as such.
    hosts, alone
        How many hosts it keeps closed, and how many of them for no other reason.
    example
        One of these hosts (index), the closest to having room.
    needs, left, limit
        What one VM takes there, what is left and what is allowed in all, where the reason has numbers.
    counts
        The numbers are of VMs.
    said
        What the rules themselves say of the kind on the example, where they close it as such (`judge.in_words`).
    """

    rules: tuple[str, ...]
    what: str
    level: int | None
    hosts: int
    alone: int
    example: int
    needs: int = 0
    left: int = 0
    limit: int = 0
    counts: bool = False
    said: str = ""


@dataclass(frozen=True, slots=True)
class Unlock:
    """What is missing of one thing in the domain of one host to let one VM more in there."""

    what: str
    level: int
    host: int
    missing: int
    counts: bool


@dataclass(frozen=True, eq=False)
class _Reason:
    rules: tuple[str, ...]
    what: str
    level: int | None
    shut: NDArray[np.bool_]
    needs: int = 0
    left: NDArray[np.int64] | None = None
    limit: NDArray[np.int64] | None = None
    counts: bool = False


def closed_by(problem: Problem, vm: int) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return which hosts are closed to a VM as such: bool [H] by (rule, reason in words)."""
    found: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for enter in problem.demands.enters.values():
        if enter.vms is None or vm in enter.vms:
            _close(found, (enter.rule, enter.reason), ~enter.hosts)
    for leave in problem.demands.leaves.values():
        if vm in leave.vms:
            _close(found, (leave.asked.rule, leave.reason), leave.hosts)
    return found


def _close(found: dict[tuple[str, str], NDArray[np.bool_]], key: tuple[str, str], hosts: NDArray[np.bool_]) -> None:
    found[key] = found[key] | hosts if key in found else hosts


def _reasons(room: Room, kind: int, closed: dict[tuple[str, str], NDArray[np.bool_]]) -> list[_Reason]:
    out = [_Reason((rule,), text, None, shut) for (rule, text), shut in closed.items()]
    alike: dict[tuple[int, str], _Reason] = {}
    for row in room.rows:
        amount = int(row.amount[kind])
        if not amount:
            continue
        left, limit = row.left[row.domain], row.limit[row.domain]
        shut, key = left < amount, (row.level, row.what)
        had = alike.get(key)
        if had is None:
            alike[key] = _Reason((row.rule,), row.what, row.level, shut, amount, left, limit, row.counts)
            continue
        assert had.left is not None and had.limit is not None
        tighter = left < had.left
        alike[key] = _Reason(
            tuple(dict.fromkeys((*had.rules, row.rule))),
            row.what,
            row.level,
            had.shut | shut,
            max(amount, had.needs),
            np.where(tighter, left, had.left),
            np.where(tighter, limit, had.limit),
            row.counts,
        )
    return [*out, *alike.values(), *_coupled(room, kind)]


def _coupled(room: Room, kind: int) -> list[_Reason]:
    """Return where demands that tie VMs to where others are keep the kind out."""
    tied = [c for c in room.couplings if c.members[LEFT][kind] or c.members[RIGHT][kind]]
    return [_Reason((c.rule,), c.what, c.level, ~Met(c, room).takes(kind)) for c in tied]


def obstacles(room: Room, kind: int, closed: dict[tuple[str, str], NDArray[np.bool_]]) -> tuple[Obstacle, ...]:
    """Return why hosts take no VM more of a kind, those that close most hosts first.

    Parameters
    ----------
    room
        What is left.
    closed
        As `closed_by` says.
    """
    reasons = [r for r in _reasons(room, kind, closed) if r.shut.any()]
    if not reasons:
        return ()
    many = np.sum([r.shut for r in reasons], axis=0)
    out = []
    for r in reasons:
        missing = np.zeros(room.hosts) if r.left is None else np.maximum(r.needs - r.left, 0).astype(float)
        example = int(np.argmin(np.where(r.shut, many * 1e15 + missing, np.inf)))
        left, limit = (0, 0) if r.left is None or r.limit is None else (int(r.left[example]), int(r.limit[example]))
        alone = int((r.shut & (many == 1)).sum())
        hosts = int(r.shut.sum())
        out.append(Obstacle(r.rules, r.what, r.level, hosts, alone, example, r.needs, left, limit, r.counts))
    return tuple(sorted(out, key=lambda o: (-o.alone, -o.hosts, o.rules, o.what)))


def unlock(room: Room, kind: int, closed: dict[tuple[str, str], NDArray[np.bool_]]) -> Unlock | None:
    """Return the smallest single amount (by its share of what one VM takes) that opens a host; None if none does."""
    reasons = _reasons(room, kind, closed)
    if not reasons:
        return None
    many = np.sum([r.shut for r in reasons], axis=0)
    best: tuple[float, int, _Reason] | None = None
    for r in reasons:
        if r.left is None or r.level is None:
            continue
        share = np.where(r.shut & (many == 1), (r.needs - r.left) / max(r.needs, 1), np.inf)
        host = int(np.argmin(share))
        if share[host] < np.inf and (best is None or share[host] < best[0]):
            best = (float(share[host]), host, r)
    if best is None:
        return None
    _, host, r = best
    assert r.left is not None and r.level is not None
    return Unlock(r.what, r.level, host, int(r.needs - r.left[host]), r.counts)


def widened(room: Room, found: Unlock) -> Room:
    """Return the room with `missing` more of that thing in that domain."""
    rows = []
    for row in room.rows:
        if (row.level, row.what) == (found.level, found.what):
            left = row.left.copy()
            left[row.domain[found.host]] += found.missing
            rows.append(replace(row, left=left))
        else:
            rows.append(row)
    return replace(room, rows=tuple(rows))
