"""Ganeti's hbal on a statement: ``hbal_driver.py STATEMENT OUT HBAL SECONDS``.

hbal balances: it takes the move that evens the cluster most, again and again. Its words are memory and CPU of a node,
and tags of instances that exclude each other on a node. What else the statement says it is not told.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def text(said):
    """Return the statement in hbal's text format."""
    total = {}
    for entry in said["sums"]:
        total.setdefault(entry["resource"], entry)
    cpu, memory = total["cpu_millicores"], total["memory_mib"]
    used = [0] * len(said["hosts"])
    for v, h in enumerate(said["start"]):
        used[h] += memory["amount"][v]
    tags = [[] for _ in said["vms"]]
    for i, group in enumerate(said["groups"]):
        for j, (members, most) in enumerate(zip(group["members"], group["most"], strict=True)):
            for v in members if most == 1 and group["level"] == "host" else ():
                tags[v].append(f"apart:{i}.{j}")
    fixed = set(said["fixed"])
    nodes = [
        f"host{h}|{memory['limit'][h]}|0|{max(0, memory['limit'][h] - used[h])}|1|1|{max(1, cpu['limit'][h])}"
        "|N|group|1||N|1"
        for h in range(len(said["hosts"]))
    ]
    instances = [
        f"vm{v}|{memory['amount'][v]}|0|{cpu['amount'][v]}|running|{'N' if v in fixed else 'Y'}"
        f"|host{h}||ext|{','.join(tags[v])}|1"
        for v, h in enumerate(said["start"])
    ]
    sections = [["default|group|preferred||"], nodes, instances, ["htools:iextags:apart"]]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n\n"


def main(statement, out, hbal, seconds):
    """Balance, and write where each VM is then."""
    with open(statement, encoding="utf-8") as file:
        said = json.load(file)
    with tempfile.TemporaryDirectory() as room:
        data, kept = Path(room, "cluster"), Path(room, "kept")
        data.write_text(text(said), encoding="utf-8")
        command = (hbal, "-t", str(data), "-S", str(kept), "--max-cpu", "1", "-q")
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=float(seconds))
        except subprocess.TimeoutExpired as ended:
            raise SystemExit(f"not done after {seconds} s") from ended
        balanced = Path(f"{kept}.balanced")
        if done.returncode or not balanced.is_file():
            raise SystemExit((done.stderr.strip() or done.stdout.strip() or "hbal said nothing").splitlines()[-1])
        _, _, instances, *_ = balanced.read_text(encoding="utf-8").split("\n\n")
    assignment = {}
    for line in instances.splitlines():
        fields = line.split("|")
        assignment[said["vms"][int(fields[0][2:])]] = said["hosts"][int(fields[6][4:])]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(assignment, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
