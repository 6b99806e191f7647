"""What has to hold inside a plan before anybody asks what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer.errors import InputError
from optimizer.plan import StageResult
from optimizer.sources.fleet_columns import index_of, refer
from optimizer.sources.kinds import similar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Misfit", "check_structure", "stage_misfits"]

Document = dict[str, Any]

GAP_TOLERANCE = 0.005
"""A gap may be written with two decimals."""


class Misfit(NamedTuple):
    """What a stage says of itself and does not follow from its value and its bound."""

    stage: int
    field: str
    says: object
    expected: str


def check_structure(plan: Document, where: str) -> None:
    """Judge how the members of a checked document fit together.

    Raises
    ------
    InputError
        If ids are not unique, something refers to nothing, `after` goes in a circle or not back to earlier batches,
        batches and moves disagree, or gap and status do not follow from value and bound.
    """
    _check_stages(plan, where)
    index = index_of([move["id"] for move in plan["moves"]], where, "moves")
    _check_ends(plan["moves"], where)
    _check_after(plan["moves"], index, where)
    _check_batches(plan, index, where)


def _check_stages(plan: Document, where: str) -> None:
    index_of([stage["stage"] for stage in plan["objective"]], where, "objective", "stage")
    for found in stage_misfits(plan):
        raise InputError(where, f"objective[{found.stage}].{found.field}", found.says, found.expected)


def stage_misfits(plan: Document) -> Iterator[Misfit]:
    """Yield every gap and status that does not follow from the value and the bound beside it."""
    for i, stage in enumerate(plan["objective"]):
        says = StageResult(stage["stage"], stage["value"], stage["bound"])
        of = f"of value {stage['value']} and bound {stage['bound']}"
        if abs(stage["gap"] - says.gap) > GAP_TOLERANCE:
            yield Misfit(i, "gap", stage["gap"], f"{says.gap}, the gap {of}")
        if stage["status"] != says.status.value:
            yield Misfit(i, "status", stage["status"], f"{says.status.value}, the status {of}")


def _check_ends(moves: list[Document], where: str) -> None:
    for i, move in enumerate(moves):
        if move["from"] == move["to"]:
            raise InputError(where, f"moves[{i}].to", move["to"], "another host than the one it leaves")


def _check_after(moves: list[Document], index: Mapping[str, int], where: str) -> None:
    for i, move in enumerate(moves):
        refer(move["after"], index, where, f"moves[{i}].after[{{}}]".format, "a move of the plan")
    _check_acyclic(moves, index, where)
    for i, move in enumerate(moves):
        for j, name in enumerate(move["after"]):
            batch = moves[index[name]]["batch"]
            if batch >= move["batch"]:
                expected = f"a move of a batch before {move['batch']}"
                raise InputError(where, f"moves[{i}].after[{j}]", name, expected, f"{name} is in batch {batch}")


def _check_acyclic(moves: list[Document], index: Mapping[str, int], where: str) -> None:
    """Take away moves that wait for nothing (any more); what is left goes in a circle or waits for one."""
    waits = [len(move["after"]) for move in moves]
    followers: dict[int, list[int]] = {}
    for i, move in enumerate(moves):
        for name in move["after"]:
            followers.setdefault(index[name], []).append(i)
    ready = [i for i, count in enumerate(waits) if count == 0]
    while ready:
        for i in followers.get(ready.pop(), ()):
            waits[i] -= 1
            if waits[i] == 0:
                ready.append(i)
    stuck = [i for i, count in enumerate(waits) if count]
    if stuck:
        raise InputError(where, f"moves[{stuck[0]}].after", moves[stuck[0]]["after"], "no cycle of dependencies")


def _check_batches(plan: Document, index: Mapping[str, int], where: str) -> None:
    moves, batches = plan["moves"], plan["batches"]
    placed: dict[int, int] = {}
    last = 0
    for b, batch in enumerate(batches):
        if batch["batch"] <= last:
            raise InputError(where, f"batches[{b}].batch", batch["batch"], f"a number above {last}")
        last = batch["batch"]
        for j, name in enumerate(batch["moves"]):
            path = f"batches[{b}].moves[{j}]"
            if name not in index:
                raise InputError(where, path, name, "a move of the plan", similar(name, index))
            placed[index[name]] = batch["batch"]
            if moves[index[name]]["batch"] != batch["batch"]:
                expected = f"a move of batch {batch['batch']}"
                raise InputError(where, path, name, expected, f"it says batch {moves[index[name]]['batch']}")
    for i, move in enumerate(moves):
        if i not in placed:
            numbers = ", ".join(str(b["batch"]) for b in batches[:10])
            raise InputError(where, f"moves[{i}].batch", move["batch"], f"a batch that lists it (of {numbers})")
