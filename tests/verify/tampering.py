"""Every leaf of a plan changed, one at a time and in several ways: `verify` refuses, or the field cannot be known.

``python -m tests.verify.tampering`` prints how many of how many are refused, for plans of all kinds.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer.errors import InputError
from optimizer.pipeline import Request, make_plan
from optimizer.plan_identity import identify
from optimizer.report.verify_page import describe_verdict
from optimizer.sources.kinds import parse_time, time_text
from optimizer.sources.plan_json import claims_from_document, plan_document
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["UNKNOWABLE", "Subject", "Tally", "Tampered", "is_of", "subjects", "tamper", "tampered"]

NOW = datetime(2027, 1, 1, tzinfo=UTC)

UNKNOWABLE = {
    r"id": "a plan of another program may have any name",
    r"made_at": "any moment from the snapshot's to now is as likely",
    r"objective\[\]\.stopped_by": "which of the words that end a search it was",
    r"objective\[\]\.gap": "it may be rounded to two decimals",
    r"stats\.(seconds\..*|peak_rss_mib|seed|workers|deterministic)": "how it was made",
    r"stats\.(partition.*|clean_displaces_at_least)": "how it was made",
    r"remaining\[\]\.(would_help|cause.*|deferred)": "advice, not a claim: the rules' check knows nothing of it",
    r"proof\[\]\.parts\[\]\.curve.*": "a weaker claim (less harm, or later) is as true, where the bound still follows",
    r"proof\[\]\.parts\[\]\.prices.*": "any prices prove something: others are as true, where the bound still follows",
    r"proof\[\]\.parts\[\]\.vms without .*": "what its other VMs ask for is a weaker claim, and may be enough",
    r"proof\[\]\.parts without .*names nobody": "harm that stays whatever moves: less of it may be enough",
    r"proof\[\]\.parts\[\]\.by": "another argument that proves the same",
    r"moves\[\]\.to": "another plan that is as good, and as safe",
    r"moves\[\]\.vm now .*": "another plan that is as good, and as safe",
    r"moves\[\]\.(reasons|why)": "left out, it claims nothing",
}
"""What may be changed and still be true, by a pattern of paths (items without their numbers), some with the change."""


class Subject(NamedTuple):
    """A plan, and what it is of."""

    name: str
    fleet: Fleet
    policy: Policy
    document: dict[str, Any]


class Tampered(NamedTuple):
    """A changed document: where, and from what to what."""

    path: str
    change: str
    document: dict[str, Any]


def subjects(tiny: int = 40) -> Iterator[Subject]:
    """Yield plans with every kind of part: staging hops, arcs, budgets, shoulds, what remains, every argument."""
    hosts = [host(f"h{i}", memory=16, rack=f"r{i}") for i in range(5)]
    vms = [vm(f"a{i}", "h0", memory=4) for i in range(5)] + [vm(f"b{i}", "h1", memory=4) for i in range(5)]
    stays = vm("stays", "h4", memory=20, mobility="none")
    yield _subject("two full hosts", fleet(hosts, [*vms, vm("c", "h2", memory=4), stays]), policy())
    budget = {"rule": "budget", "limits": [{"per": "run", "moves": 1}]}
    yield _subject("a budget", fleet(hosts, vms), policy("capacity", budget))
    full = [vm(f"f{i}", f"h{i % 3}", memory=7) for i in range(9)]
    yield _subject("no room", fleet(hosts[:3], full), policy("capacity"))
    crowd = [vm(f"g{i}", f"h{i % 2}", memory=1, groups=["g"]) for i in range(6)]
    yield _subject("a crowd", fleet(hosts[:3], crowd), policy("anti_affinity", "capacity"))
    yield _subject("required clean", fleet(hosts[:3], full), policy("capacity"), require_clean=True)
    yield from (
        found
        for number in range(tiny)
        for problem in [tiny_problem(number)]
        for found in [_subject(f"problem {number}", problem.fleet, problem.policy)]
        if found.document["moves"] or found.document["remaining"]
    )


def _subject(name: str, snapshot: Fleet, wanted: Policy, **more: Any) -> Subject:
    plan = make_plan(snapshot, wanted, Request(seconds=10, deterministic=True, **more))
    return Subject(name, snapshot, wanted, plan_document(plan))


# -- changes ---------------------------------------------------------------------------------------------------------


def tamper(subject: Subject) -> Iterator[Tampered]:
    """Change each leaf, each in several ways; and leave out, double and swap the items of lists."""
    for path in _paths(subject.document):
        value = _at(subject.document, path)
        changes = _items(value) if isinstance(value, list) else _leaf(path[-1], value, subject)
        for name, changed in changes:
            copy = deepcopy(subject.document)
            _at(copy, path[:-1])[path[-1]] = changed
            yield Tampered(_said(path), name, copy)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        yield path
        for i, inner in enumerate(value):
            yield from _paths(inner, (*path, i))
    else:
        yield path


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _said(path: tuple[Any, ...]) -> str:
    text = "".join("[]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _items(value: list[Any]) -> Iterator[tuple[str, Any]]:
    if value:
        what = ", which names nobody" if isinstance(value[-1], dict) and value[-1].get("vms") == [] else ""
        yield f"without the last{what}", value[:-1]
        yield "the first twice", [value[0], *value]


def _leaf(key: Any, value: Any, subject: Subject) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield "negated", not value
    elif isinstance(value, int):
        yield from ((f"{by:+d}", value + by) for by in (1, -1, 1000, 10**15))
        yield "zero", 0 if value else 7
    elif isinstance(value, float):
        yield from (("longer", value + 1.0), ("double", 2 * value + 0.3), ("zero", 0.0 if value else 0.7))
    elif value is None:
        yield from (("time", "time"), ("a word", "luck"))
    elif parse_time(value) is not None:
        at = parse_time(value)
        assert at is not None
        yield from (
            (f"year {year}", time_text(at.replace(year=year))) for year in (1990, 2026, 2040) if year != at.year
        )
        yield "a second on", time_text(at.replace(second=(at.second + 1) % 60))
    else:
        others = (
            [*subject.fleet.vms.ids[:2], *subject.fleet.hosts.ids[:3]] if key in ENDS or isinstance(key, int) else []
        )
        yield from ((f"now {other}", other) for other in [*others, *WORDS.get(key, ())] if other != value)
        yield from (("longer", value + "x"), ("empty", ""), ("cut", value[: len(value) // 2]))


ENDS = ("vm", "from", "to", "subject")

WORDS = {
    "status": ("optimal", "feasible", "nothing_to_do", "no_plan_in_time", "impossible"),
    "stage": ("harm", "should_harm", "priced", "moving", "placement", "cost"),
    "by": (
        "own minimum",
        "irreducible",
        "budget",
        "whole model",
        "no order",
        "refuted",
        "room: memory_mib",
        "pigeonhole: anti_affinity",
        "too large",
        "own minimum: really",
    ),
    "stopped_by": ("time", "work", "gap", "luck"),
    "rule": ("capacity", "anti_affinity", "allowed"),
}


# -- judging ---------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What came of many changes; `accepted` by path and change, where the field could be known."""

    tampered: int = 0
    refused: int = 0
    unknowable: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.tampered} tampered, {self.refused} refused, {sum(self.unknowable.values())} that cannot be known, "
            f"{len(self.accepted)} accepted, {len(self.crashed)} crashed"
        )

    def judge(self, subject: Subject, changed: Tampered, *, named_anew: bool) -> None:
        """Verify one changed plan, with the id that it had, or with one that fits what it says now."""
        self.tampered += 1
        what = f"{subject.name}: {changed.path} {changed.change}"
        try:
            refused = is_refused(subject, changed.document, named_anew=named_anew)
        except Exception as error:
            self.crashed.append(f"{what}: {type(error).__name__}: {error}")
            return
        known = next((pattern for pattern in UNKNOWABLE if is_of(pattern, changed)), None)
        if refused:
            self.refused += 1
        elif known is not None:
            self.unknowable[known] += 1
        else:
            self.accepted.append(what)


def is_of(pattern: str, changed: Tampered) -> bool:
    """Whether a pattern of `UNKNOWABLE` is about a change."""
    said = changed.path, f"{changed.path} {changed.change}"
    return any(re.fullmatch(pattern, text) for text in said)


def is_refused(subject: Subject, document: dict[str, Any], *, named_anew: bool) -> bool:
    """Whether `remora verify` would not let a plan pass."""
    try:
        plan, misfits = claims_from_document(document, "tampered")
        plan = identify(plan) if named_anew else plan
        verdict = verify(subject.fleet, subject.policy, plan, latest=NOW)
    except InputError:
        return True
    return not describe_verdict(plan, verdict, misfits).holds


def tampered(every: int = 1, tiny: int = 40) -> Tally:
    """Judge each changed plan (of that many one) of each subject, in turn with its old id and with a new one."""
    out = Tally()
    number = 0
    for subject in subjects(tiny):
        assert not is_refused(subject, subject.document, named_anew=False), subject.name
        for changed in tamper(subject):
            number += 1
            if number % every == 0:
                out.judge(subject, changed, named_anew=changed.path != "id" and number // every % 4 != 0)
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tally; 1 where a changed plan was accepted, or crashed `verify`."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.tampering", description=__doc__)
    parser.add_argument("every", nargs="?", type=int, default=1, help="judge one of that many changes")
    parser.add_argument("tiny", nargs="?", type=int, default=40, help="tiny random fleets beside the others")
    asked = parser.parse_args(arguments)
    tally = tampered(asked.every, asked.tiny)
    print(tally)
    for pattern, times in sorted(tally.unknowable.items()):
        print(f"  {times:5} {pattern}: {UNKNOWABLE[pattern]}")
    print(*tally.accepted[:40], *tally.crashed[:40], sep="\n")
    return int(bool(tally.accepted or tally.crashed))


if __name__ == "__main__":
    sys.exit(main())
