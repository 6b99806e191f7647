"""Which bugs are planted, and whose they were:  python -m tests.execute.simulation.mutants [docs/PAGE.md]

Prints the table of docs/executor-bugs.md, with the seed at which each is found, or writes it into the page. A bug that
is not found within `SEEDS` seeds is an error.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.execute.simulation import planted, planted_agents, planted_more
from tests.execute.simulation.plans import AGENTS, SMALL
from tests.execute.simulation.simulate import simulate, without_admission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.execute.simulation.plans import Shape

    Plant = Callable[[pytest.MonkeyPatch], None]

__all__ = ["MUTANTS", "SEEDS", "Found", "Mutant", "find", "table"]

SEEDS = 250
BEGINS, ENDS = "<!-- bugs: begin -->", "<!-- bugs: end -->"
GITHUB = "https://github.com/"
KUBEVIRT, CRUISE, PEGAPROX = "kubevirt/kubevirt", "cruise-control-for-kafka/cruise-control", "PegaProx/project-pegaprox"


@dataclass(frozen=True)
class Mutant:
    """A bug, in words; the program that had it; its issues (``owner/name#number``); how to plant it here, and where."""

    bug: str
    whose: str
    issues: tuple[str, ...]
    plant: Plant
    shape: Shape = SMALL

    @property
    def name(self) -> str:
        """The name of the function that plants it."""
        return self.plant.__name__


@dataclass(frozen=True)
class Found:
    """By which seed a bug was found, and what the checker (or the ledger) said."""

    seed: int
    said: str


def _of(bug: str, whose: str, plant: Plant, *issues: str) -> Mutant:
    return Mutant(bug, whose, issues, plant)


def _agents(bug: str, plant: Plant) -> Mutant:
    return Mutant(bug, "", (), plant, AGENTS)


MUTANTS: tuple[Mutant, ...] = (
    _of("*done* is what the job says", "ProxLB; Nova under CubeCOS", planted.the_job_alone_is_believed,
        "gyptazy/ProxLB#276", "credativ/ProxLB#105", "bigstack-oss/cubecos#1440"),
    _of("an end is believed before it has settled", "PegaProx; KubeVirt",
        planted.an_end_is_believed_before_it_has_settled, f"{PEGAPROX}#647", f"{KUBEVIRT}#18631"),
    _of("a lost reply is a failure", "KubeVirt", planted.a_lost_reply_is_a_refusal, f"{KUBEVIRT}#5228"),
    _of("what is unclear has failed", "Kronos 0.2.0 (source); PegaProx", planted.unknown_is_failed, f"{PEGAPROX}#184"),
    _of("what is slow has failed", "OpenStack Watcher: 120 s", planted_more.what_is_slow_has_failed,
        "bloomberg/chef-bcpc#1874"),
    _of("after some polls the job is dropped, its slot given away", "ProxLB 2.3.0 (source)",
        planted.unknown_frees_its_slot),
    _of("whatever left its source has arrived", "PegaProx: HA chose another node",
        planted_more.what_left_its_source_has_arrived, f"{PEGAPROX}#340"),
    _of("an abort is taken for its effect", "KubeVirt", planted_more.an_abort_is_taken_for_its_effect,
        f"{KUBEVIRT}#7233", f"{KUBEVIRT}#18147"),
    _of("a migration that stands still is waited for", "KubeVirt; Cruise Control",
        planted_more.a_move_that_stands_still_is_waited_for, f"{KUBEVIRT}#1609", f"{CRUISE}#664"),
    _of("a deleted VM holds the whole run up", "Cruise Control (a topic)", planted_more.a_deleted_vm_is_waited_for,
        f"{CRUISE}#1318"),
    _of("what cannot be read is not there", "KubeVirt", planted_more.what_cannot_be_read_is_not_there,
        f"{KUBEVIRT}#18765"),
    _of("what ran before a restart does not count", "Cruise Control", planted.only_own_moves_count,
        f"{CRUISE}#2365", f"{CRUISE}#233"),
    _of("what was open at a restart is tried again", "Strimzi", planted_more.a_restart_writes_off_what_was_open,
        "strimzi/strimzi-kafka-operator#10091"),
    _of("the window's budget begins with the process", "Kronos 0.2.0 (source: cool-down in memory)",
        planted_more.a_window_begins_with_the_process),
    _of("an old leader goes on", "Kubernetes; Cilium", planted_more.an_old_leader_goes_on,
        "kubernetes/kubernetes#23731", "cilium/cilium#42920"),
    _of("moves of others are cancelled", "Cruise Control", planted_more.moves_of_others_are_cancelled,
        f"{CRUISE}#1718"),
    _of("a stop takes effect at the next poll", "Cruise Control", planted.the_button_is_read_only_now_and_then,
        f"{CRUISE}#184"),
    _of("a stop marks what is in flight as dead", "Cruise Control", planted_more.a_stop_writes_off_what_is_in_flight,
        f"{CRUISE}#983"),
    _of("after a failure the rest goes on as if it had worked", "PegaProx", planted.after_is_ignored, f"{PEGAPROX}#40"),
    _of("a VM that others have moved since is not noticed", "ProxLB",
        planted_more.moves_are_not_checked_before_they_start, "credativ/ProxLB#20"),
    _of("VMs are sent to a host that is going down", "PegaProx", planted_more.a_dead_target_is_not_noticed,
        f"{PEGAPROX}#276"),
    _of("limits are checked against a cache, not in the transaction", "KubeVirt",
        planted.caps_are_checked_by_the_loop_alone, f"{KUBEVIRT}#15146"),
    _of("no limit per source", "KubeVirt's evictions", planted.without("source"), f"{KUBEVIRT}#8701"),
    _of("no limit per target", "Deckhouse", planted.without("target"), "deckhouse/virtualization#2362"),
    _of("what fails is tried for ever", "ProxLB", planted.retries_have_no_end, "gyptazy/ProxLB#173"),
    _of("what is prepared copies at once, whatever copies there already", "Deckhouse, before it split the two",
        planted.links_are_counted_when_a_move_is_prepared_alone, "deckhouse/virtualization#2230"),
    _of("no limit per rack", "", planted.without("domain")),
    _of("replicas of a group travel together", "", planted.without("group")),
    _of("two running copies are as good as one", "", planted_more.two_copies_are_as_good_as_one),
    _of("what fails is tried again at once", "", planted_more.failures_are_tried_again_at_once),
    _of("all start at once, without a canary", "", planted_more.there_are_no_canaries),
    _of("a gate that does not answer is open", "", planted.a_gate_that_does_not_answer_is_open),
    _of("gates are asked once", "", planted.gates_are_asked_after_the_canary_alone),
    _of("what ends while gates are asked counts as judged by them", "",
        planted.what_ends_while_gates_are_asked_is_judged_by_them),
    _of("an answer waits to be taken in while hooks after moves are called", "",
        planted.an_answer_waits_while_hooks_after_moves_are_called),
    _of("a veto is only noted", "", planted.a_veto_is_only_noted),
    _of("a long run never reads the fleet again", "", planted.the_ground_is_never_read_again),
    _agents("an agent begins again what had no answer", planted_agents.an_agent_begins_again_what_had_no_answer),
    _agents("a stop holds executors back, and not what they have ordered",
        planted_agents.the_gateway_hands_out_after_a_stop),
    _agents("a report that comes late takes the place of a later one",
        planted_agents.the_gateway_takes_what_comes_late_for_the_latest),
)  # fmt: skip


def find(mutant: Mutant, seeds: Iterable[int] = range(SEEDS)) -> Found | None:
    """Plant a bug, and return what finds it; None where nothing does."""
    with pytest.MonkeyPatch.context() as patch, without_admission():
        mutant.plant(patch)
        for seed in seeds:
            try:
                broken = simulate(seed, shape=mutant.shape).broken
            except (TypeError, AttributeError, NameError):  # what was planted does not fit the code: it finds nothing
                raise
            except Exception as error:  # the ledger itself, or the core, refused
                return Found(seed, f"{type(error).__name__}: {error}")
            if broken:
                return Found(seed, broken[0])
    return None


def table() -> list[str]:
    """Return the lines of the table; `found` is not in it, since every change of the simulation moves it."""
    lines = ["| | bug | whose | planted by |", "|---|---|---|---|"]
    for number, mutant in enumerate(MUTANTS, 1):
        links = ", ".join(_link(issue) for issue in mutant.issues)
        whose = f"{mutant.whose}: {links}" if links else mutant.whose
        lines.append(f"| {number} | {mutant.bug} | {whose} | `{mutant.name}` |")
    return lines


def _link(issue: str) -> str:
    name, number = issue.split("#")
    return f"[{name.split('/')[0]}#{number}]({GITHUB}{name}/issues/{number})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what finds each bug, or write the table into a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.execute.simulation.mutants", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, help="write the table into it")
    page = parser.parse_args(arguments).page
    if page is not None:
        text = page.read_text("utf-8")
        before, after = text.split(BEGINS)[0], text.split(ENDS)[1]
        page.write_text("\n".join([before + BEGINS, *table(), ENDS + after]), "utf-8")
        return 0
    missed = 0
    for mutant in MUTANTS:
        found = find(mutant)
        missed += found is None
        print(f"{mutant.name}: " + (f"seed {found.seed}: {found.said[:150]}" if found else "NOT FOUND"), flush=True)
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} found, each within {SEEDS} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
