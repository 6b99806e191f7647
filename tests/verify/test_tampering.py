"""Every leaf of plans of all kinds changed: refused, or one of the few fields that cannot be known."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from optimizer.sources.plan_json import claims_from_document
from optimizer.verify.verify import verify
from tests.verify.growth import KINDS, growing, seconds
from tests.verify.tampering import UNKNOWABLE, is_of, tamper, tampered
from tests.verify.tampering import subjects as all_subjects

EVERY, TINY = 23, 6
GROWTH = 3.0
"""Seconds for a VM may grow by that much when the group grows tenfold; it would be ten were it quadratic."""


@pytest.mark.slow
def test_no_change_of_a_leaf_passes_unseen() -> None:
    tally = tampered(EVERY, TINY)
    assert tally.tampered > 200
    assert tally.accepted == []
    assert tally.crashed == []
    assert tally.refused > 0.85 * tally.tampered


@pytest.mark.slow
def test_what_cannot_be_known_is_in_the_documents_and_documented() -> None:
    changes = [changed for subject in all_subjects(TINY) for changed in tamper(subject)]
    page = Path(__file__).parents[2].joinpath("docs", "safety.md").read_text("utf-8")
    for pattern, reason in UNKNOWABLE.items():
        if "clean" not in pattern and "prices" not in pattern:  # no subject has them: test_proof_receivers
            assert any(is_of(pattern, changed) for changed in changes), pattern
        assert reason in " ".join(page.split()), reason


@pytest.mark.slow
def test_a_part_that_leaves_a_vm_out_may_not_claim_more() -> None:
    """Without the cheapest VM to leave, a row might seem to cost more: rows that name a VM left out count nothing."""
    tried = 0
    for subject in all_subjects(2 * TINY):
        for p, proof in enumerate(subject.document["proof"]):
            for i, part in enumerate(proof["parts"]):
                for vm in part["vms"] if part["by"] == "own minimum" and "curve" not in part else ():
                    changed = deepcopy(subject.document)
                    claim = changed["proof"][p]
                    claim["parts"][i]["vms"].remove(vm)
                    claim["parts"][i]["at_least"] += 1
                    claim["bound"] += 1
                    tried += 1
                    plan, _ = claims_from_document(changed, "tampered")
                    found = verify(subject.fleet, subject.policy, plan).findings
                    where = f"proof[{proof['stage']}].parts[{i}]"
                    assert any(f.code == "proof_part" and f.where == where for f in found), (subject.name, vm, found)
    assert tried > 10


@pytest.mark.parametrize("kind", KINDS)
def test_large_groups_are_judged_and_hold(kind: str) -> None:
    assert verify(*growing(kind, 500)).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_verification_grows_with_the_group_and_no_faster(kind: str) -> None:
    small, large = (min(seconds(kind, size) for _ in range(3)) for size in (1_000, 10_000))
    assert large < 10 * GROWTH * max(small, 0.02)
