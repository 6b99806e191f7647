"""One document of each format in which every field is said."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["FLEET_TEXT", "OVERLAY", "PLAN_TEXT", "full_fleet", "full_plan"]

FLEET_TEXT = """
{
  "format": "remora-fleet/1",
  "fleet": "nyc3",
  "taken_at": "2026-11-21T12:00:00Z",
  "resources": [
    {"name": "cpu_millicores", "copied": false},
    {"name": "memory_mib", "copied": true, "x_note": 1},
    {"name": "disk_mib", "copied": true}
  ],
  "levels": ["host", "rack", "zone"],
  "move_within": "zone",
  "simulated": true,
  "hosts": [
    {
      "id": "h0", "domains": {"rack": "r0", "zone": "z0"},
      "capacity": {"cpu_millicores": 64000, "memory_mib": 131072, "disk_mib": 1966080},
      "overcommit": {"cpu_millicores": "1.6", "memory_mib": "1"},
      "reserved": {"memory_mib": 4096},
      "measured": {"disk_mib": 1800000},
      "state": "active", "error_count": 0, "max_vms": 135, "busy": ["create", "ipmi_reboot"],
      "unobserved": "disk_mib: 12 min old, at most 5", "full_in_s": {"disk_mib": 86400},
      "pressure": {"cpu_steal": 0.01, "cpu": 0.05, "io": 0.02, "memory": 0.0}, "pressure_window_s": 600,
      "migration_mib_per_s": 1200, "observed_at": "2026-11-21T11:59:00Z", "signals_at": "2026-11-21T11:58:00+00:00",
      "maintenance": [{"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T04:00:00Z", "reason": "new <b>fan</b>"}],
      "labels": {"cpu": "epyc-7003", "pool": ""}, "x_serial": {"any": ["thing"]}
    },
    {"id": "h1", "domains": {"rack": "r1", "zone": "z0"}, "capacity": {"memory_mib": 131072}, "state": "draining"},
    {"id": "h2", "domains": {"rack": "r1", "zone": "z1"}, "capacity": {}, "state": "down"}
  ],
  "vms": [
    {
      "id": "v0", "host": "h0", "demand": {"cpu_millicores": 2000, "memory_mib": 4096, "disk_mib": 51200},
      "owner": "u17", "groups": ["es-leaders", "loose"], "created_at": "2026-01-01T00:00:00+02:00", "state": "paused",
      "mobility": "cold", "mobility_reason": "passthrough", "requires": {"cpu": ["epyc-7003", "epyc-9004"]},
      "forbidden_hosts": ["h2", "h1"], "no_move_until": "2026-11-23T00:00:00Z", "sensitive": true,
      "noise": {"cpu": 0.4, "io": 0.1}, "pressure": {"cpu_steal": 0.0, "io": 0.31}, "dirty_mib_per_s": 12.0,
      "move_cost": 1.5, "labels": {"tier": "gold"}
    },
    {"id": "v1", "host": "h1", "demand": {"memory_mib": 1}, "groups": ["cache"], "owner": "u18"},
    {"id": "v2", "host": null, "demand": {}, "mobility_reason": null, "no_move_until": null, "owner": "u17"},
    {"id": "<img src=x>", "host": "h0", "demand": {"disk_mib": 7}, "groups": ["loose"]}
  ],
  "groups": [
    {"id": "es-leaders", "rules": [
      {"rule": "anti_affinity", "level": "host", "at_most": 1, "hardness": "must"},
      {"rule": "spread", "level": "rack", "at_least": 3, "hardness": "should", "weight": 5},
      {"rule": "apart", "level": "host", "with": "loose"},
      {"rule": "together", "level": "zone"},
      {"rule": "needs", "level": "rack", "with": "cache"}
    ]},
    {"id": "cache", "rules": []},
    {"id": "named-only"}
  ],
  "interference": [{"noisy": "v1", "suffers": "v0", "kind": "io", "score": 0.8}],
  "in_flight": [
    {"id": "x1", "vm": "v1", "from": "h1", "to": "h0", "started_at": "2026-11-21T11:59:30Z", "by": "operator"}
  ],
  "history_since": "2026-11-19T12:00:00Z",
  "history": [
    {"vm": "gone", "from": "h9", "to": "h0", "started_at": "2026-11-20T01:00:00Z",
     "ended_at": "2026-11-20T01:01:00Z", "outcome": "done", "by": "remora"},
    {"vm": "v0", "from": "h1", "to": "h0", "started_at": "2026-11-20T02:00:00Z",
     "ended_at": "2026-11-20T02:00:00Z", "outcome": "failed"}
  ],
  "x_source": "made by hand"
}
"""

PLAN_TEXT = """
{
  "format": "remora-plan/1", "id": "p1", "fleet": "nyc3", "taken_at": "2026-11-21T12:00:00Z",
  "fleet_digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
  "policy_digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
  "made_at": "2026-11-21T12:00:01.5Z", "expires_at": "2026-11-21T12:15:00+00:00",
  "status": "optimal", "reason": "said in words",
  "scope": {"drain": ["h3", "rack:r*"], "exclude": ["v1"], "only": ["rule:capacity"], "from": ["h3"], "to": ["zone:z0"],
            "max_moves": 10, "max_gib": 500, "whole": true, "undo": ["v1=h0"], "begun": ["h4"],
            "balance": ["memory_mib"],
            "room": [{"vm": "new", "host": "h9", "demand": {"memory_mib": 1024}}]},
  "objective": [
    {"stage": "harm", "value": 0, "bound": 0, "gap": 0.0, "status": "optimal", "stopped_by": null},
    {"stage": "moving", "value": 2, "bound": 2, "gap": 0.0, "status": "optimal", "stopped_by": null},
    {"stage": "placement", "value": 1234, "bound": 1100, "gap": 0.11, "status": "feasible", "stopped_by": "time"}
  ],
  "proof": [{"stage": "moving", "bound": 2, "parts": [
    {"hosts": ["h3"], "vms": ["v7", "v8"], "at_least": 1, "by": "own minimum", "prices": [1000000, 250000]},
    {"hosts": ["h4"], "vms": ["v9"], "at_least": 1, "by": "own minimum", "curve": [[0, 4000], [1, 0]]}]}],
  "moves": [
    {"id": "m0001", "vm": "v7", "from": "h3", "to": "h9", "after": [], "batch": 1, "staging": true, "seconds": 41.0,
     "copied_mib": 36864, "why": "h3: disk 97.1 % of capacity, limit 90 %",
     "reasons": [{"rule": "capacity", "subject": "h3", "resource": "disk_mib", "value": 1909000, "limit": 1769472},
                 {"rule": "anti_affinity", "subject": "g", "domain": "rack:r0", "value": 2, "limit": 1}]},
    {"id": "m0002", "vm": "v9", "from": "h4", "to": "h3", "after": ["m0001"], "batch": 2, "staging": false,
     "seconds": 3, "copied_mib": 0}
  ],
  "batches": [{"batch": 1, "moves": ["m0001"], "seconds": 41.0}, {"batch": 2, "moves": ["m0002"], "seconds": 3.0}],
  "remaining": [
    {"rule": "anti_affinity", "subject": "g17", "domain": "host:h1", "excess": 1, "why": "no room", "would_help": "x",
     "cause": {"kind": "room", "rule": "capacity", "vm": "v7", "subject": "h3", "resource": "disk_mib", "hosts": 2,
               "host": "h2", "reason": "x"}},
    {"rule": "capacity", "subject": "h1", "resource": "disk_mib", "excess": 1, "why": "", "would_help": "",
     "deferred": "--max-moves: at most 10 moves"}],
  "not_evaluated": [{"rule": "journey", "what": "created_at", "vms": 8}, {"rule": "headroom", "what": "x", "hosts": 3}],
  "warnings": [{"code": "unknown_name", "where": "rules[0].hosts[0]", "text": "'h9' is not a host"}],
  "stats": {"seconds": {"read": 0.2}, "peak_rss_mib": 210, "seed": 0, "deterministic": false}
}
"""

OVERLAY = """
format: remora-overlay/1
groups:
  - id: fresh
    rules: [{rule: anti_affinity, level: rack, at_most: 2}]
    vms: [v0, v2]
  - {id: cache, vms: [v2]}
  - {id: free, vms: [v1]}
vms:
  v0: {groups: [fresh, more], labels: {tier: silver, new: "1"}}
"""


def full_fleet() -> dict[str, Any]:
    """Return a fresh copy of the fleet."""
    found: dict[str, Any] = json.loads(FLEET_TEXT)
    return found


def full_plan() -> dict[str, Any]:
    """Return a fresh copy of the plan."""
    found: dict[str, Any] = json.loads(PLAN_TEXT)
    return found
