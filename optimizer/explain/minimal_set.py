"""From elements that exclude a goal to a set of which none can be left out: item by item, then element by element.

First whole items are left out, one after the other; those that are needed stay. Then, within them, single elements:
halves of an item at first (as QuickXplain does), since most are not needed. Leaving out an item that is needed makes
the goal possible, so each still has an element at the end: the set is minimal in items and in elements. Every answer on
the way excludes the goal too, so that whoever stops it has a proof that is only not yet as small as it can be.

QuickXplain: Junker, U. (2004). QUICKXPLAIN: preferred explanations and relaxations for over-constrained problems. AAAI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.explain.elements import gathered
from optimizer.explain.oracle import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from optimizer.explain.elements import Element
    from optimizer.explain.oracle import Oracle

__all__ = ["MinimalSet", "shrunk"]


@dataclass(frozen=True)
class MinimalSet:
    """Elements that exclude the goal together.

    Attributes
    ----------
    minimal
        Without any one of the elements the goal is possible; False where time ended before that was shown.
    items_minimal
        Without all elements of any one item it is.
    needed
        The elements without which the goal was shown to be possible.
    """

    elements: frozenset[Element]
    minimal: bool
    items_minimal: bool
    needed: frozenset[Element]


def shrunk(oracle: Oracle, core: Collection[Element]) -> MinimalSet:
    """Return a set within `core`, which excludes the goal, that is as small as time allows."""
    items = _Items(oracle, frozenset(core))
    items.shrink()
    if not items.done:
        return MinimalSet(items.core, False, False, frozenset())
    elements = _Elements(oracle, items.core)
    elements.shrink()
    return MinimalSet(elements.core, elements.done, True, frozenset(elements.needed))


class _Items:
    """Leaves out whole items."""

    def __init__(self, oracle: Oracle, core: frozenset[Element]) -> None:
        self.oracle, self.core, self.done = oracle, core, True

    def shrink(self) -> None:
        """Try each item once; those with most elements first: without them the least is left to look at."""
        order = sorted(gathered(self.core).items(), key=lambda pair: (-len(pair[1]), pair[0]))
        for item, _ in order:
            without = frozenset(e for e in self.core if e.item != item)
            if without == self.core:
                continue
            answer = self.oracle.ask(without)
            if answer.verdict is Verdict.EXCLUDED:
                self.core = answer.core
            elif answer.verdict is Verdict.UNKNOWN:
                self.done = False


class _Elements:
    """Leaves out single elements, halves of an item at first."""

    def __init__(self, oracle: Oracle, core: frozenset[Element]) -> None:
        self.oracle, self.core, self.done = oracle, core, True
        self.needed: set[Element] = set()

    def shrink(self) -> None:
        """Try all elements of each item; those that an example shows to be needed are not tried."""
        if self.oracle.examples is not None:
            self.needed.update(self.oracle.examples.needed(self.core))
        for members in gathered(self.core).values():
            self._part(members)
        self.done = self.core == self.needed

    def _part(self, members: Sequence[Element]) -> None:
        tried = [e for e in members if e in self.core and e not in self.needed]
        if not tried:
            return
        answer = self.oracle.ask(self.core - frozenset(tried))
        if answer.verdict is Verdict.EXCLUDED:
            self.core = answer.core
        elif answer.verdict is Verdict.POSSIBLE and len(tried) == 1:
            self.needed.update(tried)
        elif len(tried) > 1:
            middle = len(tried) // 2
            self._part(tried[:middle])
            self._part(tried[middle:])
