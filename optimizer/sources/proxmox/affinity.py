"""Where guests may be, and which belong together or apart: HA rules, replication, storages, and the tags of ProxLB.

=====================================  =================================================================
resource affinity ``negative``         a group with `anti_affinity` of 1 on a host
resource affinity ``positive``         a group with `together` on a host
node affinity, with failback           only the nodes of the highest priority that are up: the HA stack would
                                       take the guest back there; without `strict` all, while none of them is up
node affinity ``strict``, no failback  only its nodes
neither                                the label ``ha-node-affinity``, for the rule `prefer`
``affinity negative`` of nodes         all nodes but these
replication jobs                       only where it is replicated to
disks and media                        only nodes that have their storages
``plb_anti_affinity_X``                a group with `anti_affinity` of 1 on a host
``plb_affinity_X``                     a group with `together` on a host
``plb_pin_NODE``                       only these nodes
``plb_ignore_X``                       it stays
=====================================  =================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.sources.proxmox.answers import flag, number, properties, words
from optimizer.sources.proxmox.guests import disks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.sources.proxmox.answers import Cluster, Guest

__all__ = ["Affinities", "left_alone", "tags_of"]

APART: dict[str, Any] = {"rule": "anti_affinity", "level": "host", "at_most": 1}
TOGETHER: dict[str, Any] = {"rule": "together", "level": "host"}
TAGS = {"plb_anti_affinity_": APART, "plb_affinity_": TOGETHER}
PIN, IGNORE = "plb_pin_", "plb_ignore"


def tags_of(guest: Guest) -> list[str]:
    """Return the tags of a guest."""
    return words(guest.row.get("tags"))


def left_alone(guest: Guest, cluster: Cluster) -> Iterator[str]:
    """Yield why somebody wants a guest to be left where it is."""
    for tag in tags_of(guest):
        if tag.startswith(IGNORE):
            yield f"tag {tag}"
    row = cluster.ha.get(guest.sid, {"state": "ignored"})
    balances = flag(properties(cluster.options.get("crs"), "ha").get("ha-auto-rebalance"))
    if balances and row.get("state") != "ignored" and flag(row.get("auto-rebalance", 1)):
        yield "the cluster itself balances it (ha-auto-rebalance)"


class Affinities:
    """The affinities of a cluster's guests."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: dict[str, list[dict[str, Any]]] = {}
        self._groups: dict[str, list[str]] = {}
        self._rules: dict[str, dict[str, Any]] = {}
        for rule in cluster.rules:
            self._of_rule(rule)
        for guest in cluster.guests:
            for tag in tags_of(guest):
                for begins, asked in TAGS.items():
                    if tag.startswith(begins):
                        self._join(guest.sid, tag, asked)

    def _of_rule(self, rule: dict[str, Any]) -> None:
        for sid in words(rule.get("resources")):
            if rule.get("type") == "node-affinity":
                self._nodes.setdefault(sid, []).append(rule)
            elif rule.get("type") == "resource-affinity":
                self._join(sid, f"ha:{rule.get('rule')}", APART if rule.get("affinity") == "negative" else TOGETHER)

    def _join(self, sid: str, group: str, asked: dict[str, Any]) -> None:
        self._groups.setdefault(sid, []).append(group)
        self._rules[group] = asked

    def groups(self) -> list[dict[str, Any]]:
        """Return the groups of which there is a guest, as a snapshot declares them."""
        used = {group for guest in self._cluster.guests for group in self.groups_of(guest)}
        return [{"id": group, "rules": [self._rules[group]]} for group in sorted(used)]

    def groups_of(self, guest: Guest) -> list[str]:
        """Return the groups that a guest belongs to."""
        return sorted(set(self._groups.get(guest.sid, ())))

    def labels_of(self, guest: Guest) -> dict[str, str]:
        """Return which node affinity a guest has that binds it nowhere."""
        loose = [
            str(rule.get("rule")) for rule in self._nodes.get(guest.sid, ()) if self._of_nodes(rule, guest) is None
        ]
        return {"ha-node-affinity": ",".join(loose)} if loose else {}

    def closed_to(self, guest: Guest) -> list[str]:
        """Return the nodes that a guest must not be on."""
        open_to = set(self._cluster.nodes)
        for rule in self._nodes.get(guest.sid, ()):
            allowed = self._of_nodes(rule, guest)
            open_to &= open_to if allowed is None else allowed
        if pins := {tag.removeprefix(PIN) for tag in tags_of(guest) if tag.startswith(PIN)}:
            open_to &= pins
        if guest.id in self._cluster.replicated_to:
            open_to &= self._cluster.replicated_to[guest.id] | {guest.node}
        for disk in disks_of(guest.config):
            if disk.storage in self._cluster.storages and not disk.is_everywhere:
                open_to &= _with_storage(self._cluster.storages[disk.storage]) | {guest.node}
        return sorted(set(self._cluster.nodes) - open_to)

    def _of_nodes(self, rule: dict[str, Any], guest: Guest) -> set[str] | None:
        """Return the nodes that a rule of nodes leaves; None where it only prefers some."""
        named = dict(_priority(word) for word in words(rule.get("nodes")))
        known, strict = set(self._cluster.nodes), flag(rule.get("strict"))
        if rule.get("affinity") == "negative":
            named = dict.fromkeys(known - set(named), 0)
        if not flag(self._cluster.ha.get(guest.sid, {}).get("failback", 1)):
            return known & set(named) if strict else None
        up = self._cluster.serving & set(named)
        if up:
            highest = max(named[node] for node in up)
            return {node for node in up if named[node] == highest}
        return known & set(named) if strict else known


def _priority(word: str) -> tuple[str, int]:
    """Return a node of a rule and its priority: ``n1:2``, or ``n1`` for 0."""
    node, _, priority = word.partition(":")
    return node, int(priority) if priority.isdecimal() else 0


def _with_storage(rows: Mapping[str, dict[str, Any]]) -> set[str]:
    """Return the nodes on which a storage can be used."""
    return {node for node, row in rows.items() if row.get("status") == "available" and number(row, "maxdisk")}
