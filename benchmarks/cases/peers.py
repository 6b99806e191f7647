"""Rivals: the same fleet, the same limits, in turn; who ends clean, with how many moves, and how soon."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from benchmarks.case import PYTHON, ROOT, Party, Settings, Trial, case, generated_fleet, unpacked
from benchmarks.cases.repair import LIMITS, planning
from benchmarks.measure import measure
from benchmarks.peers.places import debian_programs, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["REBALANCER", "hbal", "proxlb", "rebalancer"]

DRIVERS = ROOT / "benchmarks" / "peers" / "drivers"
REBALANCER, PROXLB, HTOOLS = "rebalancer==1.0.4", "proxlb-solver==0.1.1", ("ganeti-htools-3.0", "libpcre3")
GRACE_S = 20
"""How much later than it is asked to end a rival is ended."""

SIZES: tuple[str | int, ...] = (1_000, "fleet-1000-tight", 5_000, 10_000)
"""Hosts of a generated fleet, with ten VMs each, or the name of a given one."""

ENOUGH = ("--gap", "0.05")
"""A rival with up to 5 % more moves counts as our equal, so our plan may end with up to 5 % more than the fewest."""

MOVES = ("single", "greedy", "stratified", "single+swap")


@case("rebalancer", "`remora plan` beside Meta's Rebalancer, setting by setting")
def rebalancer(settings: Settings) -> list[Trial]:
    """Compare at four sizes (quick: a hundred hosts), with and without the goal of little movement."""
    python = environment(REBALANCER, (REBALANCER,), 12)
    driver = str(DRIVERS / "rebalancer_driver.py")
    trials = []
    for size in (100,) if settings.quick else SIZES:
        fleet, said = _fleet(settings, size)
        for moves in MOVES:
            for goal in ("movement", "none"):
                answer = settings.work / f"{fleet.name}.{moves}.{goal}.json"
                how = (moves, goal, str(settings.rival_s), str(settings.seed))
                command = (str(python), driver, str(said), str(answer), *how)
                label = f"{_called(size)}: {REBALANCER}, {moves}, goal {goal}"
                trials.append(_trial(settings, label, fleet, answer, command))
    return trials


@case("proxlb", "`remora plan` beside the solver of ProxLB")
def proxlb(settings: Settings) -> list[Trial]:
    """Compare on a hundred hosts: its model has a literal for each VM on each host."""
    python = environment(PROXLB, (PROXLB,), 12)
    fleet, said = _fleet(settings, 100)
    answer = settings.work / f"{fleet.name}.proxlb.json"
    command = (str(python), str(DRIVERS / "proxlb_driver.py"), str(said), str(answer), str(settings.rival_s))
    return [_trial(settings, f"{_called(100)}: {PROXLB}", fleet, answer, command)]


@case("hbal", "`remora plan` beside Ganeti's hbal")
def hbal(settings: Settings) -> list[Trial]:
    """Compare on a hundred hosts: hbal goes on until nothing evens the cluster further."""
    program, libraries = debian_programs(HTOOLS, "hbal")
    fleet, said = _fleet(settings, 100)
    answer = settings.work / f"{fleet.name}.hbal.json"
    driver = (*PYTHON, str(DRIVERS / "hbal_driver.py"), str(said), str(answer), str(program), str(settings.rival_s))
    command = ("env", f"LD_LIBRARY_PATH={libraries}", *driver) if libraries else driver
    return [_trial(settings, f"{_called(100)}: hbal of {HTOOLS[0]}", fleet, answer, command)]


def _called(size: str | int) -> str:
    return size if isinstance(size, str) else f"{size} hosts / {10 * size} VMs"


def _fleet(settings: Settings, size: str | int) -> tuple[Path, Path]:
    """Return the fleet, and what rivals are told of it."""
    if isinstance(size, str):
        fleet = unpacked(settings, settings.given("fleets", f"{size}.json.xz"))
    else:
        fleet = generated_fleet(settings, f"fleet-{size}.json", size, 10 * size)
    said = fleet.with_suffix(".said.json")
    subprocess.run((*PYTHON, "-m", "benchmarks.peers.statement", str(fleet), str(said)), check=True, cwd=ROOT)
    return fleet, said


def _trial(settings: Settings, label: str, fleet: Path, answer: Path, command: tuple[str, ...]) -> Trial:
    judge = (*PYTHON, "-m", "benchmarks.peers.judge", str(fleet), str(answer))
    return Trial(
        label=label,
        ours=planning(settings, fleet, *LIMITS, *ENOUGH),
        peer=Party(command, judge=lambda printed: judge, read=_said_by(judge), limit_s=settings.rival_s + GRACE_S),
        peer_must_succeed=False,
    )


def _said_by(judge: tuple[str, ...]) -> Callable[[bytes], dict[str, object]]:
    """Return what reads a rival's figures: the judge says them, never the rival."""

    def read(printed: bytes) -> dict[str, object]:
        said: dict[str, object] = json.loads(measure(judge).printed or b"{}")
        return said

    return read
