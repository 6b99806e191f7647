"""What-if questions: how many more fit, and where new VMs go. Every answer has its bound; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.check import check
from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.report.whatif_facts import About, FitFacts, PlaceFacts, describe_fit, describe_place
from optimizer.report.whatif_survive_page import describe_survival
from optimizer.similar import similar
from optimizer.sources.request import checked_request, copy_of, flavour, with_request
from optimizer.whatif.effort import Effort
from optimizer.whatif.fit import Replicas
from optimizer.whatif.fit import fit as count
from optimizer.whatif.place import place as choose
from optimizer.whatif.survive import survive as count_surviving
from remora.doubts import hold_against

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.policy import Policy
    from remora.fleets import Fleet

__all__ = ["fit", "place"]

WHERE = "whatif"


def fit(
    fleet: Fleet,
    policy: Policy,
    *,
    size: str | None = None,
    like: str | None = None,
    request: dict[str, Any] | None = None,
    replicas: int | None = None,
    level: str = "host",
    at_most: int = 1,
    moves: Sequence[int] = (),
    survive: int | None = None,
    by: str = "",
    seconds: float = 30.0,
    workers: int = 2,
    seed: int = 0,
) -> FitFacts:
    """Return how many VMs more fit, and what stops the next one.

    Parameters
    ----------
    size, like, request
        One of them: a size as text (``cpu=2,memory=8GiB``), the id of a VM like which they are, or a request document
        (`remora-request/1`), whose entries are a mix.
    replicas, level, at_most
        Count groups of `replicas` VMs, each with at most `at_most` in a domain of `level`.
    moves
        Also after at most these numbers of moves, ascending.
    survive
        Also how many fit so that any `survive` hosts may be lost: for VMs of one size.
    by
        Answer by pool: a level, or ``label:KEY``.

    Raises
    ------
    InputError
        A name means nothing in this fleet, the policy requires a fact that it lacks, a size is none, or `survive` is
        not from 1 to the number of hosts, or asked of groups or a mix.
    """
    clock = SystemClock()
    began = clock.monotonic()
    hold_against(fleet.snapshot, policy)
    larger, new = with_request(fleet.document, _request(fleet, size, like, request), WHERE)
    if survive is not None:
        if not 1 <= survive <= len(larger.hosts):
            raise InputError(WHERE, "survive", survive, f"from 1 to {len(larger.hosts)} (all hosts)")
        if replicas is not None or [one.count for one in new] != [1]:
            raise InputError(WHERE, "survive", survive, "VMs of one size: no replicas, no mix")
    for named in [level, *([by] if by and not by.startswith("label:") else [])]:
        if named not in larger.level_index:
            expected = f"a level ({', '.join(larger.levels)})"
            raise InputError(WHERE, "level", named, expected, similar(named, larger.levels))
    spread = None if replicas is None else Replicas(replicas, larger.level_index[level], at_most)
    effort = Effort(clock, began + seconds, workers, seed)
    answer = count(larger, policy, [(one.vm, one.count) for one in new], effort, spread, moves)
    survival = None
    if survive is not None:
        found = count_surviving(answer.fleet, policy, answer.new[0], answer.bound, survive, effort)
        survival = describe_survival(answer.fleet, found)
    violations = check(fleet.snapshot, policy)
    return describe_fit(answer, _about(fleet, policy, clock.monotonic() - began), by, violations, survival)


def place(
    fleet: Fleet,
    policy: Policy,
    *,
    size: str | None = None,
    like: str | None = None,
    request: dict[str, Any] | None = None,
    number: int = 1,
    ranked: int = 5,
    seconds: float = 30.0,
    workers: int = 2,
    seed: int = 0,
) -> PlaceFacts:
    """Return hosts for new VMs, chosen together, and why the other hosts are skipped.

    Parameters
    ----------
    size, like, request
        As for `fit`; a request says its own counts.
    number
        How many, with `size` or `like`.
    ranked
        How many hosts to rank for each size.

    Raises
    ------
    InputError
        A name means nothing in this fleet, the policy requires a fact that it lacks, or a size is none.
    """
    clock = SystemClock()
    began = clock.monotonic()
    hold_against(fleet.snapshot, policy)
    asked = _request(fleet, size, like, request)
    if request is None:
        asked["vms"][0]["count"] = number
    larger, new = with_request(fleet.document, asked, WHERE)
    effort = Effort(clock, began + seconds, workers, seed)
    answer = choose(larger, policy, [(one.vm, one.count) for one in new], effort, ranked)
    return describe_place(answer, _about(fleet, policy, clock.monotonic() - began))


def _request(fleet: Fleet, size: str | None, like: str | None, request: dict[str, Any] | None) -> dict[str, Any]:
    given = [one for one in (size, like, request) if one is not None]
    if len(given) != 1:
        raise InputError(WHERE, "", f"{len(given)} of them", "one of size, like and request")
    name = next(n for n in ("new", *(f"new-{i}" for i in range(2, len(fleet.vms) + 3))) if n not in set(fleet.vms))
    if size is not None:
        return flavour(size, fleet.document, "size", name)
    if like is not None:
        return copy_of(like, fleet.document, "like", name)
    return checked_request(request, fleet.document, "request")


def _about(fleet: Fleet, policy: Policy, seconds: float) -> About:
    return About(fleet.id, fleet.digest, policy.name, policy.digest, round(seconds, 3))
