"""`python -m benchmarks.whatif hspace [HOSTS ...]`: how many VMs more fit, plain and N+1, beside Ganeti's hspace.

Remora is measured twice: as a whole process, compiled as it is when installed, and the question alone, in a process of
Python that has asked it before.

Both are told the same: memory and whole cores of hosts and VMs, and which VMs must not share a host. The disks are
elsewhere (`ext`), so that hspace asks of N+1 what `--survive 1` asks: the VMs of any one host find room on the others,
one by one, with nothing else moved. So it is where memory binds, as here: after a loss hspace counts no cores.
hspace has a second answer (tiered) that cannot be switched off; it is given the same size as the smallest there is, so
that it does the same work twice, and half of its CPU is counted. Where its limit of CPU ended it, it needs at least
half of what it took until then.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.case import PYTHON, REMORA, ROOT, Settings, generated_fleet
from benchmarks.cases.peers import HTOOLS
from benchmarks.peers.places import debian_programs

__all__ = ["HspaceAnswer", "answer_of", "cluster_text", "print_rooms"]

SIZES = (20, 100, 400)
CORES, MEMORY_MIB, DISK_MIB = 2, 8192, 1024
ROOMY = (
    *("--memory-fill", "0.5", "--full-disks", "0", "--hot", "0", "--misplaced", "0", "--requiring", "0"),
    *("--declared", "1", "--rack-groups", "0"),
)
POLICY = """format: remora-policy/1
name: as-hspace-is-told
rules:
  - {rule: capacity, resources: [cpu_millicores, memory_mib]}
  - rule: anti_affinity
"""
LIMIT_CPU_S, HARD_LIMIT_CPU_S = 600, 660
"""CPU seconds, as the kernel counts them against a limit: by ticks, which may differ from what a process took.

At the first, hspace is ended by a signal that says so (SIGXCPU); at the second by the one that says nothing (SIGKILL),
which is sent where memory is short as well.
"""
TIMES = 100.0
"""How many times less CPU than hspace N+1 has to take."""


@dataclass(frozen=True, slots=True)
class HspaceAnswer:
    """What hspace counted (None: it did not end in time), and half the CPU seconds that it took."""

    vms: int | None
    cpu_s: float


def cluster_text(fleet: dict[str, Any]) -> str:
    """Return a fleet in the text format of Ganeti's programs: groups, nodes, instances, tags, the policy of sizes."""
    used: dict[str, int] = {}
    for vm in fleet["vms"]:
        used[vm["host"]] = used.get(vm["host"], 0) + vm["demand"]["memory_mib"]
    nodes = []
    for host in fleet["hosts"]:
        memory = host["capacity"]["memory_mib"] - host.get("reserved", {}).get("memory_mib", 0)
        ratio = float(host.get("overcommit", {}).get("cpu_millicores", "1"))
        cores = int(host["capacity"]["cpu_millicores"] * ratio + 1e-6) // 1000
        free = memory - used.get(host["id"], 0)
        nodes.append(f"{host['id']}|{memory}|0|{free}|1000000|1000000|{cores}|N|group|1||N|1")
    instances = [
        f"{vm['id']}|{vm['demand']['memory_mib']}|0|{-(-vm['demand']['cpu_millicores'] // 1000)}|running|Y|"
        f"{vm['host']}||ext|{','.join(f'apart:{group}' for group in vm.get('groups', ()))}|1"
        for vm in fleet["vms"]
    ]
    size = f"{MEMORY_MIB},{CORES},{DISK_MIB},1,1,1"
    sizes = f"|{size}|{size};1048576,1000,1048576,16,8,12|ext|1000.0|1000.0"
    sections = [["default|group|preferred||"], nodes, instances, ["htools:iextags:apart"], [sizes]]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def answer_of(done: subprocess.CompletedProcess[str], cpu_s: float) -> HspaceAnswer:
    """Return what hspace said; that it did not end if its limit of CPU ended it.

    Parameters
    ----------
    cpu_s
        CPU seconds that it took.

    Raises
    ------
    RuntimeError
        If it ended in any other way without an answer.
    """
    if done.returncode == -signal.SIGXCPU:
        return HspaceAnswer(None, cpu_s / 2)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode or found.get("HTS_OK") != "1":
        raise RuntimeError(f"hspace exited with {done.returncode}: {done.stderr.strip()}")
    return HspaceAnswer(int(found["HTS_ALLOC_INSTANCES"]), cpu_s / 2)


def _hspace(data: Path, *options: str) -> HspaceAnswer:
    program, libraries = debian_programs(HTOOLS, "hspace")
    size = f"{DISK_MIB},{MEMORY_MIB},{CORES}"
    asked = (f"--standard-alloc={size}", f"--tiered-alloc={size}", "--disk-template", "ext", "--max-cpu", "1")
    limits = f"--cpu={LIMIT_CPU_S}:{HARD_LIMIT_CPU_S}"
    limited = ("prlimit", limits, "env", f"LD_LIBRARY_PATH={libraries}", str(program))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = (*limited, "-t", str(data), *asked, "--machine-readable", *options)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return answer_of(done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _compile() -> None:
    """Compile the program as `tools/setup.sh` does: else each start does, where Python may write nothing."""
    parts = ("cli.py", "commands", "constraints", "optimizer", "remora")
    subprocess.run((*PYTHON, "-m", "compileall", "-q", *parts), check=True, cwd=ROOT)


def _remora(fleet: Path, policy: Path, *options: str) -> tuple[dict[str, Any], float]:
    size = f"cpu={CORES},memory={MEMORY_MIB // 1024}GiB"
    asked = ("whatif", "fit", str(fleet), "--policy", str(policy), "--flavour", size, "--workers", "1", "--json")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run((*REMORA, *asked, *options), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _alone(fleet: Path, policy: Path, survive: int | None) -> float:
    """Return the CPU seconds of the question in a process that has loaded everything: the second of two."""
    size = f"cpu={CORES},memory={MEMORY_MIB // 1024}GiB"
    program = (
        "import time, remora\n"
        f"fleet, policy = remora.read_fleet({str(fleet)!r}), remora.read_policy({str(policy)!r})\n"
        "for _ in range(2):\n"
        "    began = time.process_time()\n"
        f"    remora.whatif.fit(fleet, policy, size={size!r}, survive={survive}, seconds=300, workers=1)\n"
        "print(time.process_time() - began)\n"
    )
    done = subprocess.run((*PYTHON, "-c", program), capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def print_rooms(sizes: list[int]) -> bool:
    """Print the table; return whether all is as asked: by whole processes, where it is about CPU."""
    well = True
    _compile()
    print("| hosts | question | Remora | CPU s | alone | hspace | CPU s | times less | alone |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as work:
        policy = Path(work, "policy.yaml")
        policy.write_text(POLICY, encoding="utf-8")
        for hosts in sizes or SIZES:
            fleet = generated_fleet(Settings(Path(work)), f"roomy-{hosts}.json", hosts, 5 * hosts, *ROOMY)
            data = fleet.with_suffix(".ganeti")
            data.write_text(cluster_text(json.loads(fleet.read_bytes())), encoding="utf-8")
            answer, seconds = _remora(fleet, policy)
            took = seconds, _alone(fleet, policy, None)
            well &= _print(hosts, "plain", answer, took, _hspace(data, "--no-capacity-checks"))
            answer, seconds = _remora(fleet, policy, "--survive", "1", "--time-limit", "300")
            took = seconds, _alone(fleet, policy, 1)
            well &= _print(hosts, "N+1", answer["survive"], took, _hspace(data), least=TIMES)
    return well


def _print(
    hosts: int,
    question: str,
    answer: dict[str, Any],
    took: tuple[float, float],
    theirs: HspaceAnswer,
    least: float = 0.0,
) -> bool:
    """Print a row; return whether it is as is asked: no fewer VMs, and that many times less CPU.

    Parameters
    ----------
    took
        CPU seconds of the whole process, and of the question alone.
    """
    proof = "proven" if answer["status"] == "proven" else f"at most {answer['bound']:,}"
    if "checked" in answer:
        proof += f", {answer['checked']:,} of {answer['sets']:,} losses checked"
    told, over = (f"{theirs.vms:,}", "") if theirs.vms is not None else ("not ended", "over ")
    ratios = [theirs.cpu_s / seconds for seconds in took]
    times = [over + (f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}") for ratio in ratios]
    ours = (f"{took[0]:.1f}", f"{took[1]:.3f}")
    row = (f"{hosts}", question, f"{answer['value']:,} ({proof})", *ours, told, f"{over}{theirs.cpu_s:.1f}", *times)
    print(f"| {' | '.join(row)} |", flush=True)
    return (theirs.vms is None or answer["value"] >= theirs.vms) and ratios[0] >= least
