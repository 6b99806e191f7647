"""How the verification of a plan grows with the size of one group: CPU seconds, printed.

``python -m tests.verify.growth [SIZE ...]``; by default 1,000, 3,000, 10,000 and 30,000 VMs in a group.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.fleet import copied_mib
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Batch, Part, PlannedMove, Proof, StageResult, Status
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["KINDS", "SIZES", "growing", "seconds"]

SIZES = (1_000, 3_000, 10_000, 30_000)
KINDS = ("together", "spread")
TOO_FAST = 2
"""How many times as fast as the group verification may grow."""
HOSTS = 40
SHARE = 10
"""One in that many VMs of the group moves."""


def growing(kind: str, size: int) -> tuple[Fleet, Policy, Plan]:
    """Return a plan that moves a tenth of a group: all to one host (together), or over all hosts (spread)."""
    hosts = [host(f"h{h}", memory=10**12) for h in range(HOSTS)]
    more = {"at_least": HOSTS} if kind == "spread" else {}
    groups = [{"id": "g", "rules": [{"rule": kind, "level": "host"} | more]}]
    movers = size // SHARE
    away = [1 + v % (HOSTS - 1) for v in range(movers)]
    at = [away[v] if kind == "together" and v < movers else 0 for v in range(size)]
    vms = [vm(f"v{v}", f"h{at[v]}", memory=10, groups=["g"]) for v in range(size)]
    snapshot, wanted = fleet(hosts, vms, groups=groups), policy("capacity", kind, concurrency={"fleet": 100_000})
    copied = copied_mib(snapshot)
    moves = tuple(
        PlannedMove(
            id=f"m{v}",
            vm=f"v{v}",
            source=f"h{at[v]}",
            target=f"h{0 if kind == 'together' else away[v]}",
            after=(),
            batch=v + 1,
            staging=False,
            seconds=0.1,
            copied_mib=int(copied[v]),
        )
        for v in range(movers)
    )
    plan = make_plan(snapshot, wanted, Request(seconds=0.2, path="repair"))
    least = movers if kind == "together" else HOSTS - 1
    on = tuple(f"h{h}" for h in (range(HOSTS) if kind == "together" else range(1)))
    part = Part(on, tuple(v["id"] for v in vms), least, "own minimum")
    said = [StageResult("harm", 0, 0), StageResult("moving", movers, least, None if movers == least else "work")]
    made = replace(
        plan,
        moves=moves,
        batches=tuple(Batch(m.batch, (m.id,), 0.1) for m in moves),
        objective=(*said, StageResult("placement", 0, 0)),
        proof=(Proof("moving", least, (part,)),),
        remaining=(),
        status=Status.OPTIMAL if movers == least else Status.FEASIBLE,
        stats={},
    )
    return snapshot, wanted, made


def seconds(kind: str, size: int) -> float:
    """Return the CPU seconds of one verification."""
    case = growing(kind, size)
    began = time.process_time()
    verdict = verify(*case)
    took = time.process_time() - began
    assert verdict.holds, verdict.findings[:3]
    return took


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where verification grows more than twice as fast as the group does."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.growth", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    sizes = sorted(parser.parse_args(arguments).sizes)
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for size in sizes:
        for kind in KINDS:
            took[kind].append(seconds(kind, size))
        print(f"{size:7,} VMs in a group", *(f"{kind} {took[kind][-1]:6.2f} s" for kind in KINDS), sep="   ")
    return int(any(s[-1] / s[0] > TOO_FAST * sizes[-1] / sizes[0] for s in took.values()))


if __name__ == "__main__":
    sys.exit(main())
