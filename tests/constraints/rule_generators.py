"""Random rules: what the contract of all rules is tried on. A rule joins by one line in `POLICIES`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constraints.allowed import Allowed
from constraints.anti_affinity import AntiAffinity
from constraints.apart import Apart
from constraints.balance import Balance
from constraints.budget import Budget, Limit
from constraints.capacity import Capacity, Overcommit
from constraints.eligible import Eligible
from constraints.headroom import Headroom, HeadroomLevels
from constraints.journey import CoolDown, Journey, Within
from constraints.maintenance import Maintenance
from constraints.needs import Needs
from constraints.noisy_neighbor import NoisyNeighbor
from constraints.prefer import Prefer
from constraints.preference import Preference
from constraints.pressure import HostPressure
from constraints.spread import Spread
from constraints.together import Together
from tests.constraints.generators import BUSY, GROUPS, LEVELS, NOISE, OWNERS, RESOURCES, Document, some

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from optimizer.problem.rule import Rule

__all__ = ["POLICIES"]


def _common(rng: Random) -> Document:
    """Parameters that every rule has, mostly left at their defaults."""
    out: Document = {}
    if rng.random() < 0.3:
        out["hardness"] = "should"
        if rng.random() < 0.4:
            out["price"] = rng.randint(0, 3)
    if rng.random() < 0.3:
        out["weight"] = rng.randint(2, 5)
    return out


def _by(rng: Random) -> Document:
    by = rng.choice(("group", "group", "owner", "label"))
    if by == "group":
        return {}
    return {"by": by, "level": rng.choice(LEVELS)} | ({"label": "tier"} if by == "label" else {})


def _capacity(rng: Random) -> Rule:
    parameters = _common(rng)
    if rng.random() < 0.3:
        ratio = Overcommit(resource="cpu_millicores", ratio=rng.choice(("1.25", "0.9", "2")), labels={"cpu": "epyc"})
        parameters["overcommit"] = (ratio,)
    if rng.random() < 0.2:
        parameters["resources"] = ("cpu_millicores", "disk_mib")
    return Capacity(**parameters)


def _anti_affinity(rng: Random) -> Rule:
    return AntiAffinity(**_common(rng), **_by(rng), at_most=rng.randint(1, 2))


def _apart(rng: Random) -> Rule:
    pairs: Any = tuple(tuple(rng.sample(GROUPS, 2)) for _ in range(rng.randint(0, 2)))
    return Apart(**_common(rng), pairs=pairs, level=rng.choice(LEVELS))


def _headroom(rng: Random) -> Rule:
    levels = {"alert": rng.choice((0.6, 0.8, 0.9)), "safe": rng.choice((0.4, 0.6))}
    parameters = _common(rng) | levels | {"resource": rng.choice([r["name"] for r in RESOURCES[:2]])}
    if rng.random() < 0.3:
        parameters["by_label"] = (HeadroomLevels(labels={"cpu": "epyc"}, alert=0.95, safe=0.75),)
    return Headroom(**parameters)


def _pressure(rng: Random) -> Rule:
    levels = {"alert": rng.choice((0.1, 0.25)), "safe": rng.choice((0.02, 0.05, 0.1))}
    parameters = _common(rng) | levels | {"of": rng.choice(("cpu_steal", "cpu", "io"))}
    parameters |= {"resource": rng.choice([r["name"] for r in RESOURCES]), "room": rng.choice((0.5, 0.8, 1.0))}
    return HostPressure(**parameters, step=rng.choice((0.25, 0.5, 1.0)))


def _balance(rng: Random) -> Rule:
    scope: Document = rng.choice(({}, {}, {"level": rng.choice(LEVELS)}, {"label": rng.choice(("tier", "cpu"))}))
    if rng.random() < 0.2:
        scope = scope | {"labels": {"cpu": "epyc"}}
    if rng.random() < 0.2:
        scope = scope | {"overcommit": (Overcommit(resource="cpu_millicores", ratio="1.5", labels={"cpu": "xeon"}),)}
    asked: Document = {"resource": rng.choice([r["name"] for r in RESOURCES[:2]])}
    asked["tolerance"] = rng.choice((0, 0.05, "12.5%", 0.3))
    return Balance(**_common(rng), **scope, **asked)


def _needs(rng: Random) -> Rule:
    return Needs(**_common(rng))


def _noisy_neighbor(rng: Random) -> Rule:
    parts = {
        "limit": lambda: {kind: rng.choice((0.5, 0.8, 1.0)) for kind in rng.sample(NOISE, 2)},
        "at_most": lambda: rng.randint(0, 1),
        "apart_from_sensitive": lambda: True,
        "score_from": lambda: rng.choice((0.4, 0.6)),
    }
    parameters: Document = {part: parts[part]() for part in rng.sample(sorted(parts), rng.randint(1, 3))}
    if parameters.keys() & {"at_most", "apart_from_sensitive"}:
        parameters["noisy_from"] = rng.choice((0.35, 0.5))
    return NoisyNeighbor(**_common(rng), **parameters, moves=rng.choice(("victim", "noisy", "cheapest")))


def _spread(rng: Random) -> Rule:
    return Spread(**_common(rng), **_by(rng), at_least=rng.randint(2, 3))


def _together(rng: Random) -> Rule:
    return Together(**_common(rng))


def _eligible(rng: Random) -> Rule:
    return Eligible(
        errors=rng.choice((None, 3)),
        vms_per_cpu=rng.choice((None, None, 250.0, 400.5, 1000.0)),
        vm_cap=rng.choice((None, None, 1, 2, 3)),
        cpus=rng.random() < 0.7,
        disk=rng.random() < 0.5,
        memory=rng.random() < 0.5,
        memory_floor_mib=rng.choice((None, None, 1, 3)),
        busy=tuple(rng.sample(BUSY[:4], rng.randint(0, 4))),
        owner_vms=rng.choice((None, 1, 1, 2)),
        overcommit=(Overcommit(resource="memory_mib", ratio="1.5", labels={"cpu": "xeon"}),) * rng.randint(0, 1),
    )


def _allowed(rng: Random) -> Rule:
    return Allowed(
        mobility=rng.choice((("live",), ("live",), ("live", "cold"), ("cold",))),
        states=tuple(rng.sample(("running", "paused", "stopped", "error", "unknown"), rng.randint(3, 5))),
        pinned=tuple(rng.sample(("v0", "v1", "gone"), rng.choice((0, 0, 1, 2)))),
        pinned_labels=({"tier": "lead"},) * rng.choice((0, 0, 1)),
        standing=rng.choice(("must", "must", "should", "report")),
        weight=rng.choice((1, 1, 3)),
    )


DOMAINS: tuple[dict[str, tuple[str, ...]], ...] = (
    {},
    {},
    {"rack": ("r0",)},
    {"zone": ("z1", "z2")},
    {"row": ("r0",)},
)


def _maintenance(rng: Random) -> Rule:
    return Maintenance(
        **_common(rng),
        ahead_s=rng.choice((0, 600, 3600)),
        hosts=tuple(rng.sample(("h0", "h1", "gone"), rng.choice((0, 0, 1, 2)))),
        domains=rng.choice(DOMAINS),
    )


def _prefer(rng: Random) -> Rule:
    parameters = _common(rng)
    if rng.random() < 0.2:
        parameters |= {"hardness": "should", "price": rng.randint(0, 3)}
    return Prefer(**parameters, entries=tuple(_preference(rng) for _ in range(rng.choice((1, 1, 2, 3)))))


def _preference(rng: Random) -> Preference:
    """Some VMs by each way to name them, and some hosts; now and then names that the fleet does not have."""
    whose: Document = rng.choice(
        (
            {"vms": rng.choice((("v0",), ("v1", "gone"), ("v*",), ("*[02]",)))},
            {"groups": tuple(rng.sample((*GROUPS, "gone"), rng.randint(1, 2)))},
            {"owners": (rng.choice((*OWNERS, "gone")),)},
            {"vm_labels": {"tier": rng.choice(("lead", ("gold", "lead")))}},
            {"vm_labels": {"tier": "gold", "cpu": "xeon"}, "vms": ("v2",)},
        )
    )
    where: Document = rng.choice(
        (
            {"hosts": rng.choice((("h0",), ("h1", "h2"), ("h[01]",), ("gone",)))},
            {"hosts": (rng.choice(("rack:r0", "rack:r*", "zone:z1", "row:r0")),)},
            {"host_labels": {"cpu": rng.choice(("epyc", ("epyc", "xeon")))}},
            {"host_labels": {"cpu": "xeon", "tier": ("gold", "lead")}, "hosts": ("h3",)},
        )
    )
    more = some(rng, 0.3, weight=lambda: rng.randint(2, 5), strict=lambda: True)
    return Preference(**whose, **where, **more)


def _journey(rng: Random) -> Rule:
    return Journey(
        baby_s=rng.choice((None, 0, 600, 7200)),
        unmovable=rng.choice((None, Within(times=rng.randint(1, 2), within_s=rng.choice((3240, 21600))))),
        bouncing=rng.choice((None, Within(times=rng.randint(1, 2), within_s=rng.choice((3240, 86400))))),
        moves_per_hour=rng.choice((None, 1, 2)),
        cool_down=rng.choice((None, None, CoolDown(), CoolDown(first_s=rng.choice((60, 3600)), within_s=86400))),
        no_return_s=rng.choice((None, None, 3240, 86400)),
        avoid_return_s=rng.choice((None, 90_000)),
    )


def _budget(rng: Random) -> Rule:
    return Budget(limits=tuple(_limit(rng) for _ in range(rng.choice((1, 1, 2)))))


def _limit(rng: Random) -> Limit:
    per: Any = rng.choice(("run", "source", "target", "domain", "pool", "owner", "label"))
    amounts: Document = {"moves": rng.randint(0, 3)} if rng.random() < 0.8 else {"gib": 0}
    label: Document = {"label": rng.choice(("tier", "cpu"))} if per in ("pool", "label") else {}
    window: Document = {"window_s": rng.choice((1200, 86400))} if rng.random() < 0.5 else {}
    return Limit(per=per, level=rng.choice(LEVELS), **amounts, **label, **window)


POLICIES: dict[str, Callable[[Random], Rule]] = {
    "allowed": _allowed,
    "budget": _budget,
    "eligible": _eligible,
    "journey": _journey,
    "maintenance": _maintenance,
    "anti_affinity": _anti_affinity,
    "apart": _apart,
    "balance": _balance,
    "pressure": _pressure,
    "capacity": _capacity,
    "headroom": _headroom,
    "needs": _needs,
    "noisy_neighbor": _noisy_neighbor,
    "prefer": _prefer,
    "spread": _spread,
    "together": _together,
}
"""By kind of rule: a random rule of that kind."""
