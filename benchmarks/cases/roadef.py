"""ROADEF 2012: the cost reached in a fixed time, beside the best that is known."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from benchmarks.case import PYTHON, REMORA, ROOT, Party, Settings, Trial, case, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["roadef"]

INSTANCES = (
    *("a1_1", "a1_2", "a1_3", "a1_4", "a1_5", "a2_1", "a2_2", "a2_3", "a2_4", "a2_5"),
    *("b_1", "b_2", "b_3", "b_4", "b_5", "b_6", "b_8", "b_9"),
)
QUICK = ("a1_1", "a1_2")
QUICK_SECONDS = 5

CHECKER = ROOT / "benchmarks" / "challenge.py"

SUM_OF_TOKENS = "import sys; print(sum(map(int, open(sys.argv[1], 'rb').read().split())))"


@case("roadef", "`remora roadef solve`: cost against the best known, in a fixed time")
def roadef(settings: Settings) -> list[Trial]:
    """Solve sets A and B, a minute each unless told otherwise (quick: two, for 5 s).

    The peer adds up the integers of the model file.
    """
    with settings.given("roadef2012", "best_known.tsv").open(encoding="utf-8") as file:
        known = {row["instance"]: row for row in csv.DictReader(file, delimiter="\t")}
    return [_trial(settings, name, known[name]) for name in (QUICK if settings.quick else INSTANCES)]


def _trial(settings: Settings, name: str, known: Mapping[str, str]) -> Trial:
    model, assignment = (_given(settings, f"{kind}_{name}.txt.xz") for kind in ("model", "assignment"))
    plain = unpacked(settings, model)
    solution = settings.work / f"solution_{name}.txt"
    seconds = min(QUICK_SECONDS, settings.instance_s) if settings.quick else settings.instance_s
    limits = ("--time-limit", str(seconds), "--workers", str(settings.workers), "--seed", str(settings.seed))

    judge = (*PYTHON, str(CHECKER), str(model), str(assignment), str(solution))

    def read(printed: bytes) -> dict[str, object]:
        answer = json.loads(printed)
        points = 100 * (answer["cost"] - int(known["best_known"])) / int(known["initial_cost"])
        return {"cost": answer["cost"], "bound": answer["bound"], "points": round(points, 4)}

    return Trial(
        label=f"{name}, {seconds} s",
        ours=Party(
            (*REMORA, "roadef", "solve", str(model), str(assignment), "-o", str(solution), *limits, "--json"),
            judge=lambda printed: (*judge, str(json.loads(printed)["cost"])),
            read=read,
        ),
        peer=Party((*PYTHON, "-c", SUM_OF_TOKENS, str(plain))),
    )


def _given(settings: Settings, name: str) -> Path:
    return settings.given("roadef2012", name.split("_")[1][0].upper(), name)
