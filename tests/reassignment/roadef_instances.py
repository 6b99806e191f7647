"""Instances of ROADEF 2012 for tests: the challenge's own, and tiny random ones with every kind of constraint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.sources.roadef import read_roadef

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem

__all__ = ["instance", "random_instance"]


def instance(data_dir: Path, name: str) -> Problem:
    folder = data_dir / "roadef2012" / name[0].upper()
    return read_roadef(folder / f"model_{name}.txt.xz", folder / f"assignment_{name}.txt.xz")


def random_instance(tmp_path: Path, seed: int, machines: int = 4, processes: int = 5) -> Problem:
    """A small instance with every kind of constraint and cost; what its start breaks may stay broken."""
    rng = np.random.default_rng(seed)
    services = 3
    lines = ["2", f"1 {rng.integers(1, 20)}", f"0 {rng.integers(1, 20)}", str(machines)]
    for m in range(machines):
        places, route = [m // 2, m % 3], rng.integers(0, 6, machines)
        route[m] = 0
        lines.append(" ".join(map(str, [*places, *rng.integers(8, 25, 2), *rng.integers(0, 10, 2), *route])))
    lines += [str(services), "2 0", f"1 1 {rng.integers(0, 3)}", f"{rng.integers(0, 3)} 0", str(processes)]
    lines += [
        " ".join(map(str, [rng.integers(services), *rng.integers(1, 8, 2), rng.integers(0, 30)]))
        for _ in range(processes)
    ]
    lines += ["1", f"0 1 {rng.integers(1, 4)}", str(rng.integers(1, 9)), "1 5 2"]
    (tmp_path / "model").write_text("\n".join(lines))
    (tmp_path / "start").write_text(" ".join(map(str, rng.integers(0, machines, processes))))
    return read_roadef(tmp_path / "model", tmp_path / "start")
