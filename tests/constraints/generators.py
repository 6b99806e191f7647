"""Random tiny fleets and random rules: what the contract of all rules, and the oracle, are tried on.

A fleet has 2 to 4 hosts, 2 to 6 VMs and 1 to 3 resources, with numbers so tight that rules bind often; over many
seeds every optional fact of the format occurs. A rule joins by one line in `POLICIES`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from constraints.allowed import Allowed
from constraints.anti_affinity import AntiAffinity
from constraints.apart import Apart
from constraints.budget import Budget, Limit
from constraints.capacity import Capacity, Overcommit
from constraints.eligible import Eligible
from constraints.headroom import Headroom, HeadroomLevels
from constraints.journey import Journey, Within
from constraints.maintenance import Maintenance
from constraints.needs import Needs
from constraints.noisy_neighbor import NoisyNeighbor
from constraints.prefer import Prefer
from constraints.preference import Preference
from constraints.spread import Spread
from constraints.together import Together
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Rule

__all__ = ["POLICIES", "random_document", "random_fleet"]

Document = dict[str, Any]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RESOURCES = (
    {"name": "cpu_millicores", "copied": False},
    {"name": "memory_mib", "copied": True},
    {"name": "disk_mib", "copied": True},
)
LEVELS = ("host", "rack", "zone")
OWNERS = ("u0", "u1")
GROUPS = ("g0", "g1", "g2")
LABELS = {"tier": ("gold", "lead"), "cpu": ("epyc", "xeon")}
NOISE = ("cpu_steal", "cpu", "io", "memory")
BUSY: Any = ("create", "restore", "pdu_reboot", "ipmi_reboot", "node_unresponsive")


def random_fleet(rng: Random) -> Fleet:
    """Return a random tiny fleet, read the way any snapshot is."""
    return fleet_from_document(random_document(rng), "random")


def random_document(rng: Random) -> Document:
    """Return a random tiny snapshot."""
    resources = list(RESOURCES[: rng.choice((1, 1, 2, 3))])
    levels = list(LEVELS[: rng.choice((1, 2, 3, 3))])
    hosts: list[Document] = [{"id": f"h{i}"} for i in range(rng.randint(2, 4))]
    vms = [_vm(rng, i, hosts, [str(r["name"]) for r in resources]) for i in range(rng.randint(2, 6))]
    for host in hosts:
        _fill_host(rng, host, vms, resources, levels)
    document: Document = {
        "format": "remora-fleet/1",
        "fleet": "tiny",
        "taken_at": _time(0),
        "resources": resources,
        "levels": levels,
        "hosts": hosts,
        "vms": vms,
        "groups": _groups(rng, levels, vms),
    }
    document |= _events(rng, hosts, vms)
    if len(levels) > 1 and rng.random() < 0.1:
        document["move_within"] = rng.choice(levels[1:])
    return document


def _time(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def _some(rng: Random, chance: float, **fields: Callable[[], Any]) -> Document:
    """Return each of the fields with this chance."""
    return {name: make() for name, make in fields.items() if rng.random() < chance}


def _labels(rng: Random) -> dict[str, str]:
    return {key: rng.choice(values) for key, values in LABELS.items() if rng.random() < 0.6}


def _vm(rng: Random, number: int, hosts: list[Document], resources: list[str]) -> Document:
    vm: Document = {
        "id": f"v{number}",
        "host": rng.choice(hosts)["id"] if rng.random() < 0.95 else None,
        "demand": {r: rng.randint(0, 5) for r in resources if rng.random() < 0.9},
    }
    vm |= _some(
        rng,
        0.5,
        owner=lambda: rng.choice(OWNERS),
        created_at=lambda: _time(-rng.choice((5, 30, 120, 3000))),
        noise=lambda: {kind: rng.choice((0.1, 0.35, 0.5, 0.9)) for kind in rng.sample(NOISE, rng.randint(0, 3))},
        sensitive=lambda: rng.random() < 0.6,
        labels=lambda: _labels(rng),
    )
    vm |= _some(rng, 0.75, groups=lambda: rng.sample(GROUPS, rng.choice((1, 1, 2))))
    vm |= _some(
        rng,
        0.15,
        state=lambda: rng.choice(("running", "paused", "stopped", "error", "unknown")),
        mobility=lambda: rng.choice(("live", "cold", "none")),
        requires=lambda: {"cpu": rng.sample(LABELS["cpu"], rng.randint(1, 2))},
        forbidden_hosts=lambda: [rng.choice(hosts)["id"]],
        no_move_until=lambda: _time(rng.choice((-10, 10))),
        pressure=lambda: {"cpu_steal": 0.2, "io": 0.31},
        dirty_mib_per_s=lambda: rng.choice((1.5, 50.0)),
        move_cost=lambda: rng.choice((0.5, 1.0, 2.25)),
    )
    if vm.get("mobility") == "none" and rng.random() < 0.5:
        vm["mobility_reason"] = "passthrough device"
    return vm


def _fill_host(rng: Random, host: Document, vms: list[Document], resources: list[Document], levels: list[str]) -> None:
    names = [str(r["name"]) for r in resources]
    load = {r: sum(vm["demand"].get(r, 0) for vm in vms if vm["host"] == host["id"]) for r in names}
    host["domains"] = {level: f"{level[0]}{rng.randint(0, 2)}" for level in levels[1:]}
    host["capacity"] = {r: max(1, load[r] + rng.randint(-2, 4)) for r in names if rng.random() < 0.95}
    host |= _some(
        rng,
        0.2,
        overcommit=lambda: {rng.choice(names): rng.choice(("1.5", "0.75", "2"))},
        reserved=lambda: {rng.choice(names): rng.randint(0, 2)},
        measured=lambda: {r: max(0, load[r] + rng.randint(-1, 2)) for r in names},
        state=lambda: rng.choice(("active", "draining", "disabled", "down")),
        error_count=lambda: rng.choice((0, 3, 4)),
        max_vms=lambda: rng.randint(1, 3),
        busy=lambda: [rng.choice(BUSY)],
        pressure=lambda: {"cpu_steal": rng.choice((0.0, 0.3)), "cpu": 0.05, "io": 0.02},
        pressure_window_s=lambda: 600,
        migration_mib_per_s=lambda: rng.choice((100, 1200)),
        observed_at=lambda: _time(-rng.choice((1, 60))),
        signals_at=lambda: _time(-1),
        maintenance=lambda: [_window(rng)],
    )
    host["labels"] = _labels(rng)


def _window(rng: Random) -> Document:
    start = rng.choice((-60, -10, 0, 10, 120))
    return {"from": _time(start), "to": _time(start + rng.choice((10, 30))), "reason": "new fans"}


def _groups(rng: Random, levels: list[str], vms: list[Document]) -> list[Document]:
    chosen = [g for g in GROUPS if rng.random() < 0.7]
    known = sorted({*chosen, *(g for vm in vms for g in vm.get("groups", ()))})
    return [{"id": g, "rules": [_group_rule(rng, g, levels, known) for _ in range(rng.randint(1, 3))]} for g in chosen]


def _group_rule(rng: Random, group: str, levels: list[str], known: list[str]) -> Document:
    others = [g for g in known if g != group]
    pairwise = ("apart", "needs") if others else ()
    kind = rng.choice(("anti_affinity", "spread", "together", *pairwise))
    rule: Document = {"rule": kind, "level": rng.choice(levels)}
    if kind == "anti_affinity":
        rule["at_most"] = rng.choice((1, 1, 2))
    elif kind == "spread":
        rule["at_least"] = rng.choice((2, 2, 3))
    elif kind in pairwise:
        rule["with"] = rng.choice(others)
    return rule | _some(rng, 0.4, hardness=lambda: rng.choice(("must", "should")), weight=lambda: rng.randint(2, 4))


def _events(rng: Random, hosts: list[Document], vms: list[Document]) -> Document:
    out: Document = {}
    if rng.random() < 0.6:
        out["interference"] = [_evidence(rng, vms) for _ in range(rng.randint(1, 3))]
    placed = [vm for vm in vms if vm["host"] is not None]
    if placed and rng.random() < 0.25:
        out["in_flight"] = [_under_way(rng, hosts, rng.choice(placed))]
    if rng.random() < 0.6:
        out["history_since"] = _time(-60 * 48)
        out["history"] = [_past(rng, hosts, vms, i) for i in range(rng.randint(1, 6))]
    return out


def _evidence(rng: Random, vms: list[Document]) -> Document:
    noisy, suffers = rng.sample(vms, 2)
    score = rng.choice((0.4, 0.6, 0.8))
    return {"noisy": noisy["id"], "suffers": suffers["id"], "kind": rng.choice(NOISE), "score": score}


def _under_way(rng: Random, hosts: list[Document], vm: Document) -> Document:
    other = rng.choice([h["id"] for h in hosts if h["id"] != vm["host"]])
    ends = (vm["host"], other) if rng.random() < 0.7 else (other, vm["host"])
    return {"id": "x0", "vm": vm["id"], "from": ends[0], "to": ends[1], "started_at": _time(-3), "by": "other"}


def _past(rng: Random, hosts: list[Document], vms: list[Document], number: int) -> Document:
    vm = rng.choice([*(vm["id"] for vm in vms), "deleted"])
    source, target = rng.sample([h["id"] for h in hosts], 2)
    start = -rng.choice((10, 50, 100, 300, 2000)) - number
    return {
        "vm": vm,
        "from": source,
        "to": target,
        "started_at": _time(start),
        "ended_at": _time(start + 4),
        "outcome": rng.choice(("done", "done", "failed", "failed", "aborted", "unknown")),
        "by": rng.choice(("remora", "other")),
    }


# -- rules ---------------------------------------------------------------------------------------------------------


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
    more = _some(rng, 0.3, weight=lambda: rng.randint(2, 5), strict=lambda: True)
    return Preference(**whose, **where, **more)


def _journey(rng: Random) -> Rule:
    return Journey(
        baby_s=rng.choice((None, 0, 600, 7200)),
        unmovable=rng.choice((None, Within(times=rng.randint(1, 2), within_s=rng.choice((3240, 21600))))),
        bouncing=rng.choice((None, Within(times=rng.randint(1, 2), within_s=rng.choice((3240, 86400))))),
        moves_per_hour=rng.choice((None, 1, 2)),
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
    "capacity": _capacity,
    "headroom": _headroom,
    "needs": _needs,
    "noisy_neighbor": _noisy_neighbor,
    "prefer": _prefer,
    "spread": _spread,
    "together": _together,
}
"""By kind of rule: a random rule of that kind."""
