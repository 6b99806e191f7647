"""What the explainer says of tiny problems, judged by looking at every placement, and by CPMpy's own `mus`."""

from __future__ import annotations

from collections import Counter

import pytest

from optimizer.explain.elements import gathered
from optimizer.explain.stops import Proven
from tests.explain.asking import Asked, ask, key_of
from tests.explain.brute import fewest, is_excluded, least_amount, minimal_corrections

CHUNKS, CHUNK = 16, 12


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_sets_are_minimal_and_corrections_the_smallest(chunk: int) -> None:
    count: Counter[str] = Counter()
    for one in ask(range(chunk * CHUNK, (chunk + 1) * CHUNK)):
        count[one.stops.verdict.value] += 1
        possible = any(not seen.broken for seen in one.seen)
        assert (one.stops.verdict is Proven.STOPPED) == (not possible), (one.number, one.goal)
        if one.stops.verdict is Proven.STOPPED:
            check_set(one)
            check_corrections(one, count)
    assert count["stopped"] >= 4, count
    assert count["planned again"] >= 4, count


def check_set(one: Asked) -> None:
    found = one.stops.found
    assert found is not None
    assert found.minimal
    assert found.items_minimal
    for elements in (found.elements, *(o.elements for o in one.stops.others)):
        keys = [key_of(e) for e in elements]
        assert is_excluded(one.seen, keys), (one.number, one.goal, keys)
        for left_out in keys:
            rest = [k for k in keys if k != left_out]
            assert not is_excluded(one.seen, rest), (one.number, one.goal, left_out)
        for members in gathered(elements).values():
            rest = [key_of(e) for e in elements if e not in members]
            assert not is_excluded(one.seen, rest), (one.number, one.goal, members)


def check_corrections(one: Asked, count: Counter[str]) -> None:
    helps, least = one.stops.helps, fewest(one.seen)
    if least is None:
        assert not helps, (one.number, one.goal)
        assert one.stops.found is not None
        assert not one.stops.found.elements
        return
    sizes = [len(h.correction.lifted) for h in helps]
    assert sizes[0] == least, (one.number, one.goal, sizes)
    assert helps[0].correction.smallest
    minimal = minimal_corrections(one.seen)
    found = [frozenset(key_of(e) for e in h.correction.lifted) for h in helps]
    assert set(found) <= minimal, (one.number, one.goal)
    if one.stops.complete:
        count["complete"] += 1
        assert set(found) == minimal, (one.number, one.goal)
    for help_ in helps:
        count["planned again" if help_.planned else "no order"] += 1
        amounts = [g.amount for gives in help_.correction.given.values() for g in gives if g.allowed is not None]
        if len(help_.correction.lifted) == 1 and amounts:
            assert max(amounts) == least_amount(one.seen, key_of(help_.correction.lifted[0])), (one.number, one.goal)


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(4))
def test_cpmpy_finds_nothing_smaller_in_what_was_found(chunk: int) -> None:
    """An own model of CPMpy: which placement it is, and for each element those that break it."""
    import cpmpy
    from cpmpy.tools.explain import mus

    compared = 0
    for one in ask(range(chunk * 10, chunk * 10 + 10)):
        found = one.stops.found
        if one.stops.verdict is not Proven.STOPPED or found is None or not found.elements:
            continue
        which = cpmpy.intvar(0, len(one.seen) - 1, name="which")
        keys = sorted(key_of(e) for e in found.elements)
        soft = [cpmpy.all([which != n for n, seen in enumerate(one.seen) if key in seen.broken]) for key in keys]
        assert len(mus(soft, hard=[which >= 0], solver="ortools")) == len(keys), (one.number, one.goal)
        compared += 1
    assert compared >= 3
