"""One case: commands on drawn inputs, and what has to be so whatever they are."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from cli import remora
from constraints import CATALOGUE, SHIPPED
from optimizer.errors import InputError
from optimizer.sources.fleet_json import read_fleet
from optimizer.sources.plan_json import read_claims
from optimizer.sources.policy_yaml import read_policy
from tests.fuzz.inputs import draw, tampered
from tests.fuzz.replay import refutation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fuzz.inputs import Inputs

__all__ = ["Case"]

CONTRACT = {0, 1, 2, 3, 4, 130}
LIMIT_S = 1
"""What `plan` is given."""

LONGEST_S = 60
"""CPU seconds of one command, by far more than any of these inputs may take; and wall seconds, twenty times that."""

ODD = ("", "-1", "nan", "h0", "v0", "--", "--json", "1e999", "\x1b[2J", "@nothing", "rack:r0", "*", "\udc80")


class Hang(BaseException):
    """A command that does not end."""


class Case:
    """Case `number` of a seed; `wrong` says what was wrong, `ran` how many commands it took."""

    def __init__(self, seed: int, number: int, directory: Path) -> None:
        self.rng = Random(f"{seed}/{number}")
        self.directory = directory
        self.ran = 0
        self.wrong: list[str] = []
        self.said = ""
        self.refused = self.accepted = 0

    def run(self) -> None:
        """Check, plan, verify, apply and explain; then the same plan tampered with."""
        inputs = draw(self.rng, self.directory)
        self.call("check", inputs.fleet, *inputs.options)
        self.call("explain", inputs.fleet, self.rng.choice([*inputs.hosts, *inputs.vms, "nobody"]), *inputs.options)
        if self.rng.random() < 0.1:
            words = self.rng.sample(ODD, 2)
            self.call(self.rng.choice(("check", "plan", "verify", "apply", "show")), inputs.fleet, *words)
        plan = self.directory / "plan.json"
        seed = self.rng.randrange(9)
        limits = ["--time-limit", LIMIT_S, "--workers", 1, "--seed", seed]
        if self.call("plan", inputs.fleet, *inputs.options, *limits, "-o", plan) in (0, 1) and plan.exists():
            self._own_plan(inputs, plan)
            self._tampered(inputs, plan)

    def call(self, *words: object) -> int:
        """Run a command in this process, and note what no input may lead to."""
        self.ran += 1
        args = [str(w) for w in words]
        began = time.process_time()
        try:
            with _alarm(20 * LONGEST_S):
                result = CliRunner().invoke(remora, args, prog_name="remora")
        except Hang:
            self.wrong.append(f"{args}: hangs")
            return -1
        took = time.process_time() - began
        text = self.said = result.stdout + result.stderr
        if result.exit_code not in CONTRACT or "Traceback" in text or "internal error" in text:
            self.wrong.append(f"{args}: exit {result.exit_code}: {result.stderr.strip()[-500:]}")
        if took > LONGEST_S:
            self.wrong.append(f"{args}: {took:.1f} s of CPU")
        return result.exit_code

    def _own_plan(self, inputs: Inputs, plan: Path) -> None:
        """A plan of Remora's own holds, and would be applied."""
        if self.call("verify", inputs.fleet, plan, *inputs.options) != 0:
            self.wrong.append(f"verify refuses Remora's own plan: {self.said[-500:]}")
        ledger = ["--ledger", self.directory / "ledger.sqlite"]
        if self.call("apply", inputs.fleet, plan, *inputs.options, *ledger) != 0:
            self.wrong.append(f"apply refuses Remora's own plan: {self.said[-500:]}")
        if self.rng.random() < 0.2 and self.call("apply", inputs.fleet, plan, *inputs.options, *ledger, "--act") != 0:
            self.wrong.append(f"acting on Remora's own plan fails: {self.said[-500:]}")

    def _tampered(self, inputs: Inputs, plan: Path) -> None:
        """A plan that was tampered with is refused, or whatever it leads to is no worse than the start."""
        document: Any = json.loads(plan.read_text("utf-8"))
        other = self.directory / "tampered.json"
        for _ in range(3):
            changed = tampered(self.rng, json.loads(json.dumps(document)), inputs.hosts, inputs.vms)
            other.write_text(json.dumps(changed), encoding="utf-8", errors="backslashreplace")
            code = self.call("verify", inputs.fleet, other, *inputs.options)
            self.refused += code != 0
            if code == 0:
                self.accepted += 1
                self._walk(inputs, other)
            if self.rng.random() < 0.3:
                self.call("explain", inputs.fleet, self.rng.choice([*inputs.hosts, *inputs.vms]), *inputs.options)
                self.call("apply", inputs.fleet, other, *inputs.options, "--ledger", self.directory / "none.sqlite")

    def _walk(self, inputs: Inputs, plan: Path) -> None:
        if "--overlay" in inputs.options:
            return
        policy = inputs.options[inputs.options.index("--policy") + 1]
        try:
            fleet, wanted = read_fleet(inputs.fleet), read_policy(policy, CATALOGUE, SHIPPED)
            found = refutation(self.rng, fleet, wanted, read_claims(plan)[0])
        except InputError:
            return
        if found:
            self.wrong.append(f"verify accepts a plan that a replay refutes: {found}")


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def ring(_number: int, _frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
