"""Problems of bad company: VMs that should not share a host or rack, or that should and do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.sources.synthetic.planting import host_id, plain_vms, record, vm_id

if TYPE_CHECKING:
    import numpy as np

    from optimizer.sources.synthetic.draft import Draft

__all__ = ["apart", "interference", "misplace", "needs", "noise", "owners", "sensitive", "spread", "together"]

LOUD = 0.7
"""Noise of a planted VM: more than 1 with a second one, and over any limit for a noisy one."""


def noise(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant two noisy VMs side by side."""
    pair = plain_vms(draft, host)[:2]
    if len(pair) < 2 or draft.noisy[draft.on[host]].any() or draft.sensitive[draft.on[host]].any():
        return False
    for v in pair:
        draft.vm_extra[v] = {"noise": {"cpu": LOUD, "io": LOUD}}
    return record(draft, "noise", host_id(host), [host], pair, 1)


def sensitive(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a sensitive VM beside a noisy one, and feeling it."""
    pair = plain_vms(draft, host)[:2]
    if len(pair) < 2 or draft.noisy[draft.on[host]].any() or draft.sensitive[draft.on[host]].any():
        return False
    draft.vm_extra[pair[0]] = {"noise": {"cpu": LOUD, "io": LOUD}}
    draft.vm_extra[pair[1]] = {"sensitive": True, "pressure": {"cpu_steal": 0.18, "io": 0.31}}
    return record(draft, "sensitive", host_id(host), [host], pair, 1)


def interference(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant two VMs of which one is known to hurt the other."""
    pair = plain_vms(draft, host)[:2]
    if len(pair) < 2:
        return False
    noisy, suffers = pair
    draft.vm_extra[suffers] = {"pressure": {"io": 0.31}}
    draft.vm_extra[noisy] = {}
    entry = {"noisy": vm_id(noisy), "suffers": vm_id(suffers), "kind": "io", "score": 0.9}
    draft.interference.append(entry)
    return record(draft, "interference", f"{vm_id(noisy)}|{vm_id(suffers)}", [host], pair, 1)


def owners(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant two VMs of one owner on a host."""
    pair = plain_vms(draft, host)[:2]
    if len(pair) < 2:
        return False
    draft.owner[pair[1]] = draft.owner[pair[0]]
    draft.vm_extra.update({v: {} for v in pair})
    return record(draft, "owners", f"u{int(draft.owner[pair[0]])}", [host], pair, 1)


def apart(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a group of two kept apart from a group of one, which stands beside one of them."""
    pair = plain_vms(draft, host)[:2]
    far = _one_each(draft, _free(draft, but=[host]), 1)
    if len(pair) < 2 or not far:
        return False
    first, second = _group(draft, "p", [pair[0], far[0]]), _group(draft, "q", [pair[1]])
    draft.rules[first] = [{"rule": "apart", "level": "host", "with": second, "hardness": "must"}]
    draft.rules[second] = []
    return record(draft, "apart", f"{first}|{second}", _hosts(draft, [*pair, *far]), [*pair, *far], 1)


def together(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a group of three that belongs in one rack, one of which stands in another, and one in order."""
    home, away = _two_racks(draft, host, 4)
    if not home:
        return False
    broken = [away[0], *home[:2]]
    name = _group(draft, "t", broken)
    in_order = _group(draft, "t", home[2:])
    for group in (name, in_order):
        draft.rules[group] = [{"rule": "together", "level": "rack", "hardness": "must"}]
    return record(draft, "together", name, _hosts(draft, [*home, *away]), broken, 1)


def spread(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a group of two that wants two racks and has one; and one that is in order."""
    home, away = _two_racks(draft, host, 3)
    if not home:
        return False
    broken = home[:2]
    name = _group(draft, "s", broken)
    in_order = _group(draft, "s", [home[2], away[0]])
    for group in (name, in_order):
        draft.rules[group] = [{"rule": "spread", "level": "rack", "at_least": 2, "hardness": "must"}]
    return record(draft, "spread", name, _hosts(draft, [*home, *away]), broken, 1)


def needs(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant two VMs that each need a third in their rack; one of them stands in another."""
    home, away = _two_racks(draft, host, 2)
    if not home:
        return False
    name, wanted = _group(draft, "n", [home[0], away[0]]), _group(draft, "w", [home[1]])
    draft.rules[name] = [{"rule": "needs", "level": "rack", "with": wanted, "hardness": "must"}]
    draft.rules[wanted] = []
    return record(draft, "needs", f"{name}|{wanted}", _hosts(draft, [*home, *away]), [*away, *home], 1)


def misplace(draft: Draft, rng: np.random.Generator, count: int) -> None:
    """Let `count` VMs of groups stand with one fellow each, by handing a membership to a neighbour of the fellow.

    Sizes and loads stay as they are. Hosts may have several of these: no VM is in two of them.
    """
    groups: dict[int, list[int]] = {}
    for v, g in enumerate(draft.group.tolist()):
        if g >= 0 and draft.group_level[g] < 1:
            groups.setdefault(g, []).append(v)
    free = set(range(draft.spec.hosts)) - draft.used
    misplaced: set[int] = set()
    for g in rng.permutation(sorted(groups)).tolist() * 3:
        if len(misplaced) >= count:
            break
        _misplace_one(draft, rng, groups[g], free, misplaced)
    draft.used.update(int(draft.host[v]) for v in misplaced)


def _misplace_one(
    draft: Draft, rng: np.random.Generator, members: list[int], free: set[int], misplaced: set[int]
) -> None:
    hosts = [int(draft.host[v]) for v in members]
    fellows = [v for v in members if draft.host[v] in free and hosts.count(int(draft.host[v])) == 1]
    for fellow in rng.permutation(fellows).astype(int).tolist():
        host = int(draft.host[fellow])
        stand_ins = plain_vms(draft, host)
        leaver = next((v for v in members if v != fellow and v not in misplaced), None)
        if not stand_ins or leaver is None or hosts.count(int(draft.host[leaver])) > 1:
            continue
        new = stand_ins[0]
        group = int(draft.group[leaver])
        draft.group[new], draft.group[leaver] = group, -1
        members[members.index(leaver)] = new
        misplaced.add(new)
        before = set(draft.used)
        record(draft, "misplaced", f"g{group}", [host], [fellow, new], 1)
        draft.used = before
        return


def _group(draft: Draft, letter: str, vms: list[int]) -> str:
    name = f"{letter}{len(draft.rules)}"
    draft.rules[name] = []
    for v in vms:
        draft.member_of.setdefault(v, []).append(name)
    return name


def _hosts(draft: Draft, vms: list[int]) -> list[int]:
    return sorted({int(draft.host[v]) for v in vms})


def _free(draft: Draft, but: list[int]) -> list[int]:
    return [h for h in range(draft.spec.hosts) if h not in draft.used and h not in but]


def _one_each(draft: Draft, hosts: list[int], count: int) -> list[int]:
    """Return a VM from each of the first `count` hosts that have a plain one; none if there are fewer."""
    out: list[int] = []
    for h in hosts:
        if len(out) == count:
            break
        out += plain_vms(draft, h)[:1]
    return out if len(out) == count else []


def _two_racks(draft: Draft, host: int, count: int) -> tuple[list[int], list[int]]:
    """Return plain VMs on `count` free hosts of the host's rack, and one of another rack of its zone (or nothing)."""
    rack, zone = int(draft.rack[host]), int(draft.zone[host])
    near = [h for h in _free(draft, []) if draft.rack[h] == rack]
    far = [h for h in _free(draft, []) if draft.rack[h] != rack and draft.zone[h] == zone]
    home, away = _one_each(draft, near, count), _one_each(draft, far, 1)
    return (home, away) if home and away else ([], [])
