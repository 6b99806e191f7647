"""Every leaf of plans of all kinds changed: refused, or one of the few fields that cannot be known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from optimizer.verify.verify import verify
from tests.verify.growth import KINDS, growing, seconds
from tests.verify.tampering import UNKNOWABLE, tamper, tampered
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
    paths = {changed.path for subject in all_subjects(TINY) for changed in tamper(subject)}
    page = Path(__file__).parents[2].joinpath("docs", "safety.md").read_text("utf-8")
    for pattern, reason in UNKNOWABLE.items():
        if "clean" not in pattern and "prices" not in pattern:  # no subject has them: test_proof_receivers
            assert any(re.fullmatch(pattern, path) for path in paths), pattern
        assert reason in " ".join(page.split()), reason


@pytest.mark.parametrize("kind", KINDS)
def test_large_groups_are_judged_and_hold(kind: str) -> None:
    assert verify(*growing(kind, 500)).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_verification_grows_with_the_group_and_no_faster(kind: str) -> None:
    small, large = (min(seconds(kind, size) for _ in range(3)) for size in (1_000, 10_000))
    assert large < 10 * GROWTH * max(small, 0.02)
