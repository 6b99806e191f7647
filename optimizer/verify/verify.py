"""Judge a plan again, independently of the planner.

Every state that carrying it out can reach, every word that it says of itself, every part of its proof. Of this house
it uses the fleet, the rules (their `check`, and the atoms that `build` makes of them) and arithmetic of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.problem.exactness import check_exact
from optimizer.problem.problem import build
from optimizer.verify.claims import judge_claims
from optimizer.verify.deferral import judge_deferral
from optimizer.verify.effect import Effect
from optimizer.verify.form import judge_batches, judge_identity, judge_moves, read_moves
from optimizer.verify.proof import judge_proofs
from optimizer.verify.states import judge_states
from optimizer.verify.verdict import Finding, Verdict
from optimizer.verify.words import judge_time, judge_words

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["Finding", "Verdict", "verify"]


OTHER = frozenset({"foreign", "fleet_digest", "policy_digest"})
"""Findings after which all others would only be consequences."""

LATER = frozenset({"fleet_digest", "taken_at", "made_at"})
"""Findings about every plan that was made from an earlier snapshot."""

MADE_FOR_ANOTHER = "nothing else was judged: give the snapshot and the --policy that the plan was made with"


def verify(
    fleet: Fleet,
    policy: Policy,
    plan: Plan,
    *,
    now: datetime | None = None,
    latest: datetime | None = None,
    later: bool = False,
) -> Verdict:
    """Return everything that is wrong with a plan for this fleet under this policy.

    Parameters
    ----------
    now
        When the plan is to be used; without it, its expiry is checked for consistency only.
    latest
        What time it is, as far as that is known: no plan was made after it.
    later
        The fleet is a later snapshot than the plan's, and that is no fault. Whether the plan is safe is judged on it;
        not what the plan claims, which is about its own snapshot.
    """
    findings = [*judge_identity(fleet, policy, plan, now), *judge_time(fleet, plan, latest)]
    if later:
        findings = [finding for finding in findings if finding.code not in LATER]
    if OTHER & {finding.code for finding in findings}:
        return Verdict(tuple(findings), {}, (MADE_FOR_ANOTHER,))
    script = read_moves(fleet, plan)
    findings += script.findings
    if not script.readable:
        return Verdict(tuple(findings), {}, ("the moves cannot be followed, so nothing else was judged",))
    findings += judge_moves(fleet, plan, script)
    findings += judge_batches(fleet, policy, plan, script)
    if not script.connected:
        return Verdict(tuple(findings), {}, ("the moves do not follow from one another: states were not judged",))
    problem = build(fleet, policy.demands, policy.least)
    check_exact(problem, f"fleet {fleet.id} with policy {policy.name}")
    effect = Effect.of(fleet, policy, script.in_order)
    states = judge_states(fleet, policy, problem, script, effect)
    if later:
        return Verdict(tuple([*findings, *states.findings]), {}, tuple(states.notes))
    claims = judge_claims(fleet, policy, problem, plan, script, effect)
    words = judge_words(fleet, plan, script, effect)
    deferral = judge_deferral(problem, plan, script.moves, [v for _, v in effect.after])
    proofs = judge_proofs(problem, plan, claims.recomputed)
    return Verdict(
        tuple([*findings, *states.findings, *claims.findings, *deferral, *words, *proofs.findings]),
        {**claims.recomputed, **proofs.recomputed},
        (*states.notes, *claims.notes, *proofs.notes),
    )
