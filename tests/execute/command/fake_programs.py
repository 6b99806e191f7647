"""Programs that seem to migrate: `toy`, `virsh`, `pvesh` and `openstack`, over hypervisors that live in a file.

Started, it is the program that it is called; imported by tests, it makes a world and reads it. What they print has the
form of what the real ones print: virsh 9.0 as seen on real hosts; `openstack` by the columns in the source of
python-openstackclient; `pvesh` by the schema of Proxmox VE 9. Only what a call needs is loaded: there are thousands.

Faults stand in the world by the program's words ("server list"): each call of these takes the next one, of
``hang``, ``sleep``, ``exit`` with ``err``, ``print``, ``huge``, or ``lost`` (it acts, and then hangs).
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager

TYPE_CHECKING = False  # typing and pathlib take longer to load than all that a call does
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

__all__ = ["PROGRAMS", "change", "install", "look", "new_world"]

PROGRAMS = ("toy", "virsh", "pvesh", "openstack")
MIB = 1 << 20


def install(directory: Path) -> None:
    """Write the programs into a directory, which belongs into PATH."""
    directory.mkdir(exist_ok=True)
    here, module = os.path.split(__file__)
    start = f"import sys; sys.path.append({here!r}); from {module.removesuffix('.py')} import main; sys.exit(main())"
    for name in PROGRAMS:
        path = directory / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S -c "{start}" {directory} {name} "$@"\n')
        path.chmod(0o755)


def new_world(directory: Path, hosts: list[str], places: dict[str, str], *, seconds: float = 0.4) -> None:
    """Write a world: VMs by their place; a migration takes `seconds`."""
    import uuid

    vms = {
        vm: {"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, vm)), "vmid": 100 + n, "host": host}
        for n, (vm, host) in enumerate(places.items())
    }
    world = {"hosts": hosts, "down": [], "vms": vms, "jobs": [], "faults": {}, "seconds": seconds, "calls": []}
    (directory / "world.json").write_text(json.dumps(world))


@contextmanager
def change(directory: Path | str) -> Iterator[dict[str, Any]]:
    """Change the world, alone."""
    with open(f"{directory}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(f"{directory}/world.json") as file:
            world = json.load(file)
        _advance(world)
        yield world
        part = f"{directory}/world.{os.getpid()}"
        with open(part, "w") as file:
            file.write(json.dumps(world))
        os.replace(part, f"{directory}/world.json")


def look(directory: Path | str) -> dict[str, Any]:
    """Return the world as it is now."""
    with change(directory) as world:
        return world


def _advance(world: dict[str, Any]) -> None:
    for job in world["jobs"]:
        if job["status"] == "running" and time.time() >= job["began"] + job["seconds"]:
            fails = job.get("fails")
            job.update(status="failed" if fails else "completed", ended=time.time(), why=fails or "")
            if not fails:
                world["vms"][job["vm"]]["host"] = job.get("lands", job["target"])


def _start(world: dict[str, Any], vm: str, target: str, token: str = "") -> dict[str, Any]:
    if vm not in world["vms"]:
        fail(1, f"no such VM {vm}")
    if any(j["vm"] == vm and j["status"] == "running" for j in world["jobs"]):
        fail(3, f"VM {vm} is being migrated")
    if target not in world["hosts"]:
        fail(4, f"no such host {target}")
    job = {
        **{"id": len(world["jobs"]) + 1, "vm": vm, "source": world["vms"][vm]["host"], "target": target},
        **{"began": time.time(), "seconds": world["seconds"], "status": "running", "ended": None, "token": token},
        **world.get("next", {}),
    }
    world["next"] = {}
    world["jobs"].append(job)
    return job


class Failed(Exception):
    """The program ends with a code."""


def fail(code: int, text: str) -> None:
    raise Failed(code, text)


def _abort(world: dict[str, Any], job: dict[str, Any] | None) -> None:
    if job is None or job["status"] != "running":
        fail(1, "error: Requested operation is not valid: no job is active on the domain")
    assert job is not None
    job.update(status="cancelled", ended=time.time(), why="operation aborted")


def _job(world: dict[str, Any], vm: str) -> dict[str, Any] | None:
    return next((j for j in world["jobs"] if j["vm"] == vm and j["status"] == "running"), None)


# the programs: each takes the world and its words, and returns what it prints (and what it waits for)


def toy(world: dict[str, Any], words: list[str]) -> Any:
    verb, options = words[0], dict(w.partition("=")[::2] for w in words[1:] if w.startswith("--"))
    if verb == "vms":
        return [
            {"id": vm, "at": v["host"], "state": v.get("state", "on"), "moving": bool(_job(world, vm))}
            for vm, v in world["vms"].items()
        ]
    if verb == "hosts":
        return {"hosts": [{"id": h, "up": h not in world["down"]} for h in world["hosts"]]}
    if verb == "migrate":
        return {"job": f"j{_start(world, options['--vm'], options['--to'], options['--token'])['id']}"}
    if verb == "jobs":
        return {"jobs": [{**j, "id": f"j{j['id']}"} for j in world["jobs"]]}
    if verb == "abort":
        _abort(world, next((j for j in world["jobs"] if f"j{j['id']}" == words[-1]), None))
        return None
    fail(2, f"toy: no such verb {verb}")
    return None


def _virsh_domains(world: dict[str, Any], host: str) -> dict[str, str]:
    """Return the domains of a host: state and reason."""
    found = {vm: "1/1" for vm, v in world["vms"].items() if v["host"] == host}
    return found | {j["vm"]: "3/2" for j in world["jobs"] if j["status"] == "running" and j["target"] == host}


def virsh(world: dict[str, Any], words: list[str]) -> Any:
    host = next(w for w in words if w.startswith("--connect=")).split("//")[1].split("/")[0]
    rest = [w for w in words if not w.startswith(("--connect=", "--quiet"))]
    options = dict(w.partition("=")[::2] for w in rest if w.startswith("--"))
    domains = _virsh_domains(world, host)
    by_uuid = {world["vms"][vm]["uuid"]: vm for vm in domains}
    if host in world["down"]:
        fail(1, f"error: failed to connect to the hypervisor\nerror: unable to connect to server at '{host}'")
    if rest[0] == "list":
        return "".join(
            f"{world['vms'][vm]['uuid']:<36} {vm:<30}\n" if 0 else f"{world['vms'][vm]['uuid']} {vm}\n"
            for vm in domains
        )
    if rest[0] == "domstats":
        blocks = [
            "Domain: '{}'\n  state.state={}\n  state.reason={}\n".format(vm, *said.split("/"))
            for vm, said in domains.items()
        ]
        return "\n".join(blocks)
    domain = options.get("--domain", "")
    if domain not in by_uuid:
        fail(1, f"error: failed to get domain '{domain}'")
    vm = by_uuid[domain]
    job = _job(world, vm)
    if rest[0] == "domjobinfo":
        if job is None or job["source"] != host:
            return "Job type: 0\n\n"
        elapsed = int(1000 * (time.time() - job["began"]))
        share = min(1.0, elapsed / 1000 / job["seconds"])
        done, left = int(16 * MIB * share), int(16 * MIB * (1 - share))
        return (
            f"Job type: 2\n\noperation: 5\ntime_elapsed: {elapsed}\ndata_total: {16 * MIB}\n"
            f"data_processed: {done}\ndata_remaining: {left}\n"
        )
    if rest[0] == "domjobabort":
        _abort(world, job)
        return ""
    if rest[0] == "migrate":
        target = options["--desturi"].split("//")[1].split("/")[0]
        return _start(world, vm, target)["id"]
    fail(1, f"error: unknown command: '{rest[0]}'")
    return None


def _upid(world: dict[str, Any], job: dict[str, Any]) -> str:
    vmid, kind = world["vms"][job["vm"]]["vmid"], job.get("type", "qmigrate")
    return f"UPID:{job['source']}:{job['id']:08X}:00A0:{int(job['began']):08X}:{kind}:{vmid}:root@pam:"


def pvesh(world: dict[str, Any], words: list[str]) -> Any:  # noqa: C901
    verb, path = words[0], words[1].strip("/").split("/")
    options = dict(zip(words[2::2], words[3::2], strict=False))
    if (verb, path) == ("get", ["cluster", "resources"]) and options.get("--type") == "vm":
        return [
            {
                **{"id": f"qemu/{v['vmid']}", "vmid": v["vmid"], "name": vm, "node": v["host"], "type": "qemu"},
                **{"status": "running", "maxcpu": 1, "maxmem": 1000 * MIB, "template": 0, "uptime": 5},
                **({"lock": "migrate"} if _job(world, vm) else {}),
            }
            for vm, v in world["vms"].items()
        ]
    if (verb, path) == ("get", ["cluster", "resources"]):
        status = {h: "offline" if h in world["down"] else "online" for h in world["hosts"]}
        return [{"id": f"node/{h}", "node": h, "type": "node", "status": s, "maxcpu": 4} for h, s in status.items()]
    if (verb, path) == ("get", ["cluster", "tasks"]):
        return [
            {
                **{"upid": _upid(world, j), "node": j["source"], "type": j.get("type", "qmigrate"), "saved": "1"},
                **{"id": str(world["vms"][j["vm"]]["vmid"]), "user": "root@pam", "starttime": int(j["began"])},
                **({} if j["ended"] is None else {"endtime": int(j["ended"]), "status": _pve_status(j)}),
            }
            for j in reversed(world["jobs"])
        ]
    upid = path[3] if len(path) > 3 else ""
    job = next((j for j in world["jobs"] if _upid(world, j) == upid), None)
    if verb == "get" and path[-1] == "log" and job is not None:
        vmid = world["vms"][job["vm"]]["vmid"]
        return [
            {"n": 1, "t": f"2026-11-29 08:00:00 starting migration of VM {vmid} to node '{job['target']}' (10.0.0.2)"},
            {"n": 2, "t": "2026-11-29 08:00:00 starting VM on remote node"},
        ]
    if verb == "delete" and job is not None:
        if job["status"] == "running":
            _abort(world, job)
        return None
    if verb == "create" and path[-1] == "migrate":
        vm = next((vm for vm, v in world["vms"].items() if str(v["vmid"]) == path[3]), "")
        if vm and world["vms"][vm]["host"] != path[1]:
            fail(2, f"Configuration file 'nodes/{path[1]}/qemu-server/{path[3]}.conf' does not exist")
        if vm and world["vms"][vm].get("lock"):
            fail(255, f"VM is locked ({world['vms'][vm]['lock']})")
        if vm and _job(world, vm):
            fail(255, "VM is locked (migrate)")
        return _start(world, vm, options["--target"])["id"]
    fail(2, f"No '{verb}' handler defined for '{words[1]}'")
    return None


def _pve_status(job: dict[str, Any]) -> str:
    return {"completed": "OK", "cancelled": "migration aborted"}.get(job["status"], job["why"])


def openstack(world: dict[str, Any], words: list[str]) -> Any:
    import uuid

    rest = words[2:] if words[0] == "--os-compute-api-version" else words
    if rest[:2] == ["server", "list"]:
        return [
            {
                **{"ID": v["uuid"], "Name": vm, "Status": "MIGRATING" if _job(world, vm) else "ACTIVE"},
                **{"Task State": "migrating" if _job(world, vm) else None, "Host": v["host"]},
            }
            for vm, v in world["vms"].items()
        ]
    if rest[:3] == ["compute", "service", "list"]:
        return [
            {
                **{"ID": h, "Binary": "nova-compute", "Host": h, "Zone": "nova", "Status": "enabled"},
                **{"State": "down" if h in world["down"] else "up", "Updated At": "2026-11-29T08:00:00.000000"},
            }
            for h in world["hosts"]
        ]
    if rest[:3] == ["server", "migration", "list"]:
        return [
            {
                **{"Id": j["id"], "UUID": str(uuid.UUID(int=j["id"])), "Source Node": j["source"]},
                **{"Dest Node": j["target"], "Source Compute": j["source"], "Dest Compute": j["target"]},
                **{"Dest Host": "10.0.0.2", "Status": j["status"], "Server UUID": world["vms"][j["vm"]]["uuid"]},
                **{"Old Flavor": 1, "New Flavor": 1, "Type": "live-migration"},
                **{"Created At": _stamp(j["began"]), "Updated At": _stamp(j["ended"] or time.time())},
            }
            for j in reversed(world["jobs"])
        ]
    by_uuid = {v["uuid"]: vm for vm, v in world["vms"].items()}
    after = rest[rest.index("--") + 1 :]
    vm = by_uuid.get(after[0])
    if vm is None:
        fail(1, f"No server with a name or ID of '{after[0]}' exists.")
    assert vm is not None
    job = _job(world, vm)
    if rest[:3] == ["server", "migration", "abort"]:
        if job is None or str(job["id"]) != after[1]:
            fail(1, f"In-progress live migration {after[1]} is not found for server {after[0]}. (HTTP 404)")
        _abort(world, job)
        return None
    if job is not None:
        fail(1, f"Cannot 'os-migrateLive' instance {after[0]} while it is in task_state migrating (HTTP 409)")
    _start(world, vm, rest[rest.index("--host") + 1])
    return None


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06}"


WAITS = {"virsh": "migrate", "pvesh": "create"}


def main() -> int:
    directory, name, *words = sys.argv[1:]
    plain = [w for w in words if not w.startswith("-")]
    verb = {"openstack": " ".join(plain[1:4] if plain[1:3] == ["server", "migration"] else plain[1:3])}.get(
        name, plain[0]
    )
    with change(directory) as world:
        world["calls"].append([name, *words])
        fault = (world["faults"].get(verb) or [{}]).pop(0)
        out: Any = None
        code = 0
        if not fault or fault.get("lost"):
            try:
                out = globals()[name](world, words)
            except Failed as error:
                code = error.args[0]
                print(error.args[1], file=sys.stderr)
    if fault:
        return _misbehave(fault)
    if code == 0 and verb == WAITS.get(name):
        return _wait(directory, name, out)
    if isinstance(out, str):
        sys.stdout.write(out)
    elif out is not None:
        print(json.dumps(out))
    return code


def _misbehave(fault: dict[str, Any]) -> int:
    if fault.get("hang") or fault.get("lost"):
        time.sleep(60)
    time.sleep(fault.get("sleep", 0))
    sys.stdout.write(fault.get("print", "") or "x" * fault.get("huge", 0))
    print(fault.get("err", ""), file=sys.stderr)
    return int(fault.get("exit", 0))


def _wait(directory: str, name: str, job: int) -> int:
    """Wait for a migration, as virsh and pvesh do."""
    while (found := look(directory)["jobs"][job - 1])["status"] == "running":
        time.sleep(0.02)
    if name == "pvesh":
        print(json.dumps("UPID:..."))
        return 0 if found["status"] == "completed" else 255
    if found["status"] != "completed":
        print(f"error: {found['why']}", file=sys.stderr)
        return 1
    return 0
