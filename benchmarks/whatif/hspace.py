"""`python -m benchmarks.whatif hspace [HOSTS ...]`: how many VMs more fit, plain and N+1, beside Ganeti's hspace.

Remora is measured twice: as a whole process, compiled as it is when installed, and the question alone, in a process of
Python that has asked it before.

Both are told the same: memory and whole cores of hosts and VMs, and which VMs must not share a host. The disks are
elsewhere (`ext`), so that hspace asks of N+1 what `--survive 1` asks: the VMs of any one host find room on the others,
one by one, with nothing else moved. So it is where memory binds, as here: after a loss hspace counts no cores.
hspace has a second answer (tiered) that cannot be switched off; it is given the same size as the smallest there is, so
that it does the same work twice, and half of its CPU is counted. Where its limit of CPU ended it, it needs at least
half of what it took until then.

On the smallest fleet both are also asked for a list of flavours at N+1: 1, 2 and 4 cores with 3, 4 and 6 GiB for each
core. Remora is asked once; hspace takes one flavour, so it is asked once for each, and its CPU is added up.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import PYTHON, REMORA, ROOT, Settings, generated_fleet
from benchmarks.cases.peers import HTOOLS
from benchmarks.peers.places import debian_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ALL", "ONE", "Flavour", "HspaceAnswer", "answer_of", "cluster_text", "flavour_rows", "print_rooms"]

SIZES = (20, 100, 400)
DISK_MIB = 1024
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
LIMIT = ("--time-limit", "300")
TIMES = 100.0
"""How many times less CPU than hspace N+1 has to take."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """A size of VMs that is asked about."""

    cores: int
    memory_gib: int

    @property
    def memory_mib(self) -> int:
        """As hspace is told it."""
        return self.memory_gib * 1024

    def __str__(self) -> str:
        return f"cpu={self.cores},memory={self.memory_gib}GiB"


ONE = Flavour(2, 8)
ALL = tuple(Flavour(cores, cores * gib) for cores in (1, 2, 4) for gib in (3, 4, 6))


@dataclass(frozen=True, slots=True)
class HspaceAnswer:
    """What hspace counted (None: it did not end in time), and half the CPU seconds that it took."""

    vms: int | None
    cpu_s: float


def cluster_text(fleet: dict[str, Any], flavour: Flavour) -> str:
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
    size = f"{flavour.memory_mib},{flavour.cores},{DISK_MIB},1,1,1"
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


def _hspace(fleet: Path, flavour: Flavour, *options: str) -> HspaceAnswer:
    data = fleet.with_suffix(".ganeti")
    data.write_text(cluster_text(json.loads(fleet.read_bytes()), flavour), encoding="utf-8")
    program, libraries = debian_programs(HTOOLS, "hspace")
    size = f"{DISK_MIB},{flavour.memory_mib},{flavour.cores}"
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


def _remora(fleet: Path, policy: Path, flavours: Sequence[Flavour], *options: str) -> tuple[dict[str, Any], float]:
    sizes = [word for flavour in flavours for word in ("--flavour", str(flavour))]
    asked = ("whatif", "fit", str(fleet), "--policy", str(policy), *sizes, "--workers", "1", "--json")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run((*REMORA, *asked, *options), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _alone(fleet: Path, policy: Path, flavours: Sequence[Flavour], survive: int | None) -> float:
    """Return the CPU seconds of the questions in a process that has loaded everything: the second time of two."""
    program = (
        "import time, remora\n"
        f"fleet, policy = remora.read_fleet({str(fleet)!r}), remora.read_policy({str(policy)!r})\n"
        "for _ in range(2):\n"
        "    began = time.process_time()\n"
        f"    for size in {[str(flavour) for flavour in flavours]!r}:\n"
        f"        remora.whatif.fit(fleet, policy, size=size, survive={survive}, seconds=300, workers=1)\n"
        "print(time.process_time() - began)\n"
    )
    done = subprocess.run((*PYTHON, "-c", program), capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def print_rooms(sizes: list[int]) -> bool:
    """Print the tables; return whether all is as asked: by whole processes, where it is about CPU."""
    well = True
    _compile()
    print("| hosts | question | Remora | CPU s | alone | hspace | CPU s | times less | alone |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as work:
        policy = Path(work, "policy.yaml")
        policy.write_text(POLICY, encoding="utf-8")
        fleets = {
            hosts: generated_fleet(Settings(Path(work)), f"roomy-{hosts}.json", hosts, 5 * hosts, *ROOMY)
            for hosts in sizes or SIZES
        }
        for hosts, fleet in fleets.items():
            answer, seconds = _remora(fleet, policy, [ONE])
            took = seconds, _alone(fleet, policy, [ONE], None)
            well &= _print(hosts, "plain", answer, took, _hspace(fleet, ONE, "--no-capacity-checks"))
            answer, seconds = _remora(fleet, policy, [ONE], "--survive", "1", *LIMIT)
            took = seconds, _alone(fleet, policy, [ONE], 1)
            well &= _print(hosts, "N+1", answer["survive"], took, _hspace(fleet, ONE), least=TIMES)
        if SIZES[0] in fleets:
            well &= _print_flavours(fleets[SIZES[0]], policy)
    return well


def _print_flavours(fleet: Path, policy: Path) -> bool:
    """Print what comes of a list of flavours at N+1; return whether it is as is asked."""
    answer, seconds = _remora(fleet, policy, ALL, "--survive", "1", *LIMIT)
    took = seconds, _alone(fleet, policy, ALL, 1)
    rows, well = flavour_rows(answer, took, [_hspace(fleet, flavour) for flavour in ALL])
    print(f"\n| {SIZES[0]} hosts, N+1 | Remora | CPU s | alone | hspace | CPU s | times less | alone |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    return well


def flavour_rows(
    answer: dict[str, Any], took: tuple[float, float], theirs: Sequence[HspaceAnswer]
) -> tuple[list[tuple[str, ...]], bool]:
    """Return a row for each flavour and one of all; and whether it is as is asked: no fewer VMs, that much less CPU.

    Parameters
    ----------
    answer
        Remora's answer for all flavours together.
    took
        CPU seconds of its whole process, and of the questions alone.
    theirs
        hspace's answers, one for each flavour.
    """
    found = [one["fit"]["survive"] for one in answer["flavours"]]
    rows: list[tuple[str, ...]] = [
        (one["flavour"], f"{mine['value']:,} ({_proof(mine)})", "", "", *_told(other), "", "")
        for one, mine, other in zip(answer["flavours"], found, theirs, strict=True)
    ]
    total_s = sum(other.cpu_s for other in theirs)
    over = "over " if any(other.vms is None for other in theirs) else ""
    proven = sum(mine["status"] == "proven" for mine in found)
    ratios = [total_s / seconds for seconds in took]
    said = (f"{proven} of {len(found)} proven", *_seconds(took), "", f"{over}{total_s:.1f}")
    rows.append(("all, asked together", *said, *_times(over, ratios)))
    more = all(other.vms is None or mine["value"] >= other.vms for mine, other in zip(found, theirs, strict=True))
    return rows, more and ratios[0] >= TIMES


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
    over = "over " if theirs.vms is None else ""
    ratios = [theirs.cpu_s / seconds for seconds in took]
    said = f"{answer['value']:,} ({_proof(answer)})"
    row = (f"{hosts}", question, said, *_seconds(took), *_told(theirs), *_times(over, ratios))
    print(f"| {' | '.join(row)} |", flush=True)
    return (theirs.vms is None or answer["value"] >= theirs.vms) and ratios[0] >= least


def _proof(answer: dict[str, Any]) -> str:
    proof = "proven" if answer["status"] == "proven" else f"at most {answer['bound']:,}"
    if "checked" in answer:
        proof += f", {answer['checked']:,} of {answer['sets']:,} losses checked"
    return proof


def _seconds(took: tuple[float, float]) -> tuple[str, str]:
    return f"{took[0]:.1f}", f"{took[1]:.3f}"


def _told(theirs: HspaceAnswer) -> tuple[str, str]:
    if theirs.vms is None:
        return "not ended", f"over {theirs.cpu_s:.1f}"
    return f"{theirs.vms:,}", f"{theirs.cpu_s:.1f}"


def _times(over: str, ratios: Sequence[float]) -> list[str]:
    return [over + (f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}") for ratio in ratios]
