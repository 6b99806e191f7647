"""Runs seeds and says what came of them:  python -m tests.execute.simulation FIRST NUMBER [--shape large] [--log FILE]

A seed that breaks something is printed, and can be run again alone (NUMBER 1), with its history. `--shape large` takes
long plans on larger fleets, most of what a night's run moves; `agents` goes through a gateway and agents. It stops with
`--seconds` after that much CPU time, with `--moves` after that many moves, at SIGINT or SIGTERM after the seed that it
is in, however many seeds are left, and says what the seeds until then came to. Each minute it says on standard error
how far it is; with `--log` it adds that to a file, too, and goes on from there when it is given the same file again.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.execute.simulation.plans import AGENTS, LARGE, SMALL
from tests.execute.simulation.simulate import Simulation, simulate, without_admission

if TYPE_CHECKING:
    from tests.execute.simulation.plans import Shape

PROGRESS_S = 60.0
SHAPES = {"small": SMALL, "large": LARGE, "agents": AGENTS}


@dataclass
class Tally:
    """What the seeds so far came to."""

    first: int
    shape: str = "small"
    seeds: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    faults: int = 0
    moves: int = 0
    broken: int = 0
    cpu_s: float = 0.0

    def add(self, found: Simulation, cpu_s: float) -> None:
        """Count one more seed, and print what it broke."""
        self.seeds += 1
        self.steps += found.steps
        self.faults += found.faults
        self.moves += found.moves
        self.cpu_s += cpu_s
        self.reached.update(found.reached)
        if found.broken:
            self.broken += 1
            print(f"seed {found.seed}: {found.broken[:3]}", flush=True)

    def __str__(self) -> str:
        """Return the seeds, their moves and what broke, in a line."""
        seeds = f"{self.seeds:,} {self.shape} seeds from {self.first}"
        return f"{seeds}, {self.moves:,} simulated moves, {self.broken} broken; {self.cpu_s:,.0f} s of CPU"


def resumed(first: int, log: Path | None, shape: str) -> Tally:
    """Return the tally with which a run begins: the last of its log, where it has one."""
    lines = log.read_text("utf-8").splitlines() if log is not None and log.exists() else []
    if not lines:
        return Tally(first, shape)
    said = json.loads(lines[-1])
    tally = Tally(**{**said, "reached": Counter(said["reached"])})
    if (tally.first, tally.shape) != (first, shape):
        raise SystemExit(f"{log} is of another run: {tally.shape} seeds from {tally.first}")
    return tally


def _judged(seed: int, shape: Shape) -> Simulation:
    """Run a seed; where the executor itself ends with an error, that is what it broke."""
    try:
        return simulate(seed, shape=shape)
    except Exception:
        return Simulation(seed, broken=[traceback.format_exc()])


def main(asked: argparse.Namespace) -> int:
    """Run the seeds; returns 1 if one of them broke something."""
    first, number, log = asked.first, asked.number, asked.log
    tally, stopped = resumed(first, log, asked.shape), list[int]()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda got, _: stopped.append(got))
    said, began_s = time.monotonic(), tally.cpu_s

    def keep() -> None:
        print(tally, file=sys.stderr, flush=True)
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(tally)) + "\n")

    gc.disable()  # a history is large and has no circles; what has is collected after each seed
    with without_admission():
        for seed in range(first + tally.seeds, first + number):
            if stopped or tally.cpu_s - began_s >= asked.seconds or tally.moves >= asked.moves:
                print("stopped before the last seed", flush=True)
                break
            before = time.process_time()
            found = _judged(seed, SHAPES[asked.shape])
            gc.collect()
            tally.add(found, time.process_time() - before)
            if found.broken and number == 1:
                print(*found.history, sep="\n")
            if time.monotonic() - said >= PROGRESS_S:
                said = time.monotonic()
                keep()
    if log is not None:
        keep()
    print(tally)
    print(f"steps (events and effects of the core): {tally.steps:,}; faults: {tally.faults:,}")
    print(", ".join(f"{name} {n:,}" for name, n in sorted(tally.reached.items(), key=lambda item: item[1])))
    return 1 if tally.broken else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.execute.simulation")
    parser.add_argument("first", type=int)
    parser.add_argument("number", type=int)
    parser.add_argument("--shape", choices=SHAPES, default="small", help="large: long plans; agents: through a gateway")
    parser.add_argument("--moves", type=int, default=sys.maxsize, help="simulated moves, at least")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of CPU time, at most")
    parser.add_argument("--log", type=Path, help="a file to which progress is added, and from which a run goes on")
    sys.exit(main(parser.parse_args()))
