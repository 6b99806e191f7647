import numpy as np

from optimizer.problem.problem import Problem, Stage
from optimizer.reassignment.cost_bound import Argument
from optimizer.reassignment.search import CostOutcome
from optimizer.report.cost_page import cost_page, describe_cost
from optimizer.report.render import plain_lines


def problem():
    nowhere = np.full(2, -1, np.int32)
    return Problem(
        host_ids=("m0", "m1"),
        vm_ids=("p0", "p1"),
        levels=("host",),
        domain=np.arange(2, dtype=np.int32)[None, :],
        domain_ids=(("m0", "m1"),),
        start=np.zeros(2, np.int32),
        also_at=nowhere,
        moving=np.ones(2, np.int64),
        atoms=(),
        stages=(Stage.COST,),
    )


def lines(value, bound, stopped_by):
    outcome = CostOutcome(np.array([0, 1], np.int32), value, bound, stopped_by, Argument.PRICES)
    return list(plain_lines(cost_page(describe_cost(problem(), outcome))))


def test_cost_bound_and_gap():
    assert lines(200, 150, "time") == [
        "cost 200, bound 150, gap 25.0000 %, stopped by time",
        "the bound is from prices on the machines' levels",
        "1 of 2 processes moved on 2 machines; the initial assignment costs 0",
    ]


def test_a_proof_is_said():
    assert lines(150, 150, None)[:2] == [
        "cost 150, bound 150, gap 0.0000 %",
        "optimal: no assignment costs less, proven",
    ]
