"""Plans that wait for their approval in vain: what nobody carries out, or needs, any more."""

from __future__ import annotations

import pytest

from optimizer.service.automation import Level
from optimizer.service.record import Outcome
from optimizer.service.roles import Reading
from tests import build
from tests.service.test_cycle import OPEN, Bench, pair_on_one_host


@pytest.mark.parametrize("planning", [True, False])
def test_a_plan_whose_reason_is_gone_is_given_up(planning: bool) -> None:
    """Approved, it would move a VM for nothing: the other VM of the group was deleted."""
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    bench.run()
    vm = bench.keep.waiting().moves[0].vm  # type: ignore[union-attr]
    hosts = [build.host(f"h{i}", memory=1000) for i in range(3)]
    alone = build.fleet(hosts, [build.vm(vm, "h0", memory=10, groups=["g"])])
    bench.hands.approval, bench.read = True, lambda: Reading(alone)
    cycle = bench.run(planning=planning)
    assert (cycle.outcome, bench.hands.asked, bench.keep.waiting()) == (Outcome.CLEAN, [], None)
    assert "is given up: nothing that it repairs is violated any more" in cycle.detail


def test_a_plan_waits_no_longer_where_the_level_no_longer_acts() -> None:
    """Otherwise page and metric would say for ever that one waits, which nobody will carry out."""
    for level, outcome in ((Level.OBSERVE, Outcome.WATCHED), (Level.PROPOSE, Outcome.PROPOSED)):
        bench = Bench(pair_on_one_host(), Level.APPROVE)
        first = bench.run()
        bench.level = level
        cycle = bench.run()
        assert (cycle.outcome, bench.keep.waiting()) == (outcome, None)
        assert f"plan {first.plan} is given up: automation.level is {level.value}" in cycle.detail


def test_a_plan_that_waited_is_carried_out_where_the_level_asks_for_no_approval_any_more() -> None:
    """It went on waiting until it expired, at the level act."""
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    first = bench.run()
    bench.level = Level.ACT
    assert (bench.run().outcome, bench.hands.asked, bench.keep.waiting()) == (Outcome.DONE, [first.plan], None)


def test_a_plan_that_was_approved_is_carried_out_also_where_no_imbalance_is_open_now() -> None:
    bench = Bench(pair_on_one_host(), Level.APPROVE, imbalances=(OPEN,), plan_when_open=True)
    first = bench.run()
    bench.imbalances, bench.hands.approval = (), True
    assert (bench.run().outcome, bench.hands.asked) == (Outcome.DONE, [first.plan])
