"""Balance: within a tolerance with the fewest moves; and the best that a number of moves can buy, beside rivals."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.case import PYTHON, ROOT, Missing, Party, Settings, Trial, case, parse_json_peer, unpacked
from benchmarks.cases.peers import DRIVERS, GRACE_S, PROXLB, REBALANCER
from benchmarks.cases.repair import plan_file, planning
from benchmarks.measure import measure
from benchmarks.peers.places import environment
from benchmarks.skewed import LOAD, skewed_fleet

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["best_of_moves", "tolerance"]

LIMITS = ("--time-limit", "60")
GIVEN = ("fleet-100", "fleet-1000", "fleet-1000-tight")
SIZES = (1_000, 10_000)
MOVES = (10, 50, 200)
QUICK, FEW = 100, 20

HOWS = ("single", "stratified", "single+swap")
"""Kinds of moves that Rebalancer is asked for."""


@case(
    "balance-tolerance",
    "`remora plan --policy balance`: hosts within ten points of the mean, with the fewest moves",
)
def tolerance(settings: Settings) -> list[Trial]:
    """Plan the given fleets, and generated ones whose CPU is used unevenly (quick: a hundred hosts)."""
    policy = ("--policy", "balance")
    fleets = {} if settings.quick else {name: _given(settings, name) for name in GIVEN}
    fleets |= {f"{n} hosts, CPU skewed": skewed_fleet(settings, n) for n in ((QUICK,) if settings.quick else SIZES)}
    return [
        Trial(label, _told(planning(settings, fleet, *LIMITS, policy=policy), settings, fleet), parse_json_peer(fleet))
        for label, fleet in fleets.items()
    ]


@case("balance-moves", "`remora plan --balance` with 10, 50 and 200 moves beside Meta's Rebalancer and ProxLB's solver")
def best_of_moves(settings: Settings) -> list[Trial]:
    """Compare at the same number of moves, by the cost that the rule itself computes of either's end."""
    trials = []
    for size in (QUICK,) if settings.quick else SIZES:
        fleet = skewed_fleet(settings, size)
        said = _statement(fleet)
        for moves in MOVES:
            for how in HOWS:
                answer = settings.work / f"{fleet.name}.{moves}.{how}.json"
                goal = f"balance:{LOAD}:{moves}"
                command = (str(DRIVERS / "rebalancer_driver.py"), str(said), str(answer), how, goal)
                rival = (*_python(REBALANCER), *command, str(settings.rival_s), str(settings.seed))
                label = f"{size} hosts, {moves} moves: {REBALANCER}, {how}"
                trials.append(_trial(settings, label, fleet, LOAD, moves, rival, answer))
            trials.append(_greedy(settings, size, fleet, said, moves))
    return [*trials, _proxlb(settings)]


def _greedy(settings: Settings, size: int, fleet: Path, said: Path, moves: int) -> Trial:
    """Compare with what ProxLB does without its solver, stopped after as many moves: it takes no limit of them."""
    answer = settings.work / f"{fleet.name}.{moves}.greedy.json"
    rival = (*PYTHON, str(DRIVERS / "proxlb_greedy.py"), str(said), str(answer), LOAD, str(moves))
    return _trial(settings, f"{size} hosts, {moves} moves: ProxLB's greedy", fleet, LOAD, moves, rival, answer)


def _proxlb(settings: Settings) -> Trial:
    """Compare on twenty hosts, with as many moves as its plan has: it takes no limit of them."""
    fleet = skewed_fleet(settings, FEW)
    said, answer = _statement(fleet), settings.work / f"{fleet.name}.proxlb.json"
    driver = (str(DRIVERS / "proxlb_driver.py"), str(said), str(answer), str(settings.rival_s), f"balance:{LOAD}")
    rival = (*_python(PROXLB), *driver)
    tried = subprocess.run(rival, capture_output=True, check=False, timeout=settings.rival_s + GRACE_S)
    if tried.returncode:
        raise Missing(f"{PROXLB} found nothing: {tried.stderr.decode('utf-8', 'replace')[-200:]}")
    moves = int(_judged(fleet, answer, LOAD, 0)["moves"])
    return _trial(settings, f"{FEW} hosts, {moves} moves: {PROXLB}", fleet, LOAD, moves, rival, answer)


def _python(package: str) -> tuple[str, ...]:
    return (str(environment(package, (package,), 12)),)


def _given(settings: Settings, name: str) -> Path:
    return unpacked(settings, settings.given("fleets", f"{name}.json.xz"))


def _statement(fleet: Path) -> Path:
    said = fleet.with_suffix(".said.json")
    subprocess.run((*PYTHON, "-m", "benchmarks.peers.statement", str(fleet), str(said)), check=True, cwd=ROOT)
    return said


def _trial(
    settings: Settings, label: str, fleet: Path, resource: str, moves: int, rival: tuple[str, ...], answer: Path
) -> Trial:
    options = ("--balance", resource, "--max-moves", str(moves), *LIMITS)
    plan = plan_file(settings, fleet, *options)
    ours = planning(settings, fleet, *options)

    def read(printed: bytes) -> dict[str, object]:
        stages = {stage["stage"]: stage for stage in json.loads(plan.read_bytes())["objective"]}
        told: dict[str, object] = {name: stages["cost"][name] for name in ("value", "bound")}
        return {"moves": stages["moving"]["value"], "cost": told["value"], "bound": told["bound"]}

    judge = _judge(fleet, answer, resource, moves)
    return Trial(
        label=label,
        ours=Party(ours.command, judge=ours.judge, read=read, ends=ours.ends),
        peer=Party(
            rival, judge=lambda printed: judge, read=lambda printed: _figures(judge), limit_s=settings.rival_s + GRACE_S
        ),
        peer_must_succeed=False,
    )


def _told(party: Party, settings: Settings, fleet: Path) -> Party:
    """Return the party with what remains of the shoulds beside its other figures."""
    plan = plan_file(settings, fleet, *LIMITS)

    def read(printed: bytes) -> dict[str, object]:
        stages = {stage["stage"]: stage for stage in json.loads(plan.read_bytes())["objective"]}
        left = {"over tolerance": stages["should_harm"]["value"], "at least": stages["should_harm"]["bound"]}
        return {**party.read(printed), **left}

    return Party(party.command, judge=party.judge, read=read, ends=party.ends)


def _judge(fleet: Path, answer: Path, resource: str, moves: int) -> tuple[str, ...]:
    return (*PYTHON, "-m", "benchmarks.peers.judge_balance", str(fleet), str(answer), resource, str(moves))


def _figures(judge: tuple[str, ...]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(measure(judge).printed or b"{}")
    return said


def _judged(fleet: Path, answer: Path, resource: str, moves: int) -> dict[str, Any]:
    return _figures(_judge(fleet, answer, resource, moves))
