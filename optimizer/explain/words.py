"""Elements and corrections in the words of `check` and of what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from optimizer.grammar import listed
from optimizer.planning.obstacles import Kind
from optimizer.problem.amounts import amount_of, spoken
from optimizer.problem.naming import name_of
from optimizer.problem.shapes import COMPANY, COUNT, OCCUPANCY, PAIR, TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from optimizer.explain.corrections import Correction
    from optimizer.explain.elements import Element, Given, Item
    from optimizer.explain.goals import Goal
    from optimizer.problem.atoms import Group, Linear
    from optimizer.problem.problem import Problem

__all__ = ["correction_text", "item_text"]

SHOWN = 3
"""Subjects of one item that are named; the others are counted."""


def item_text(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    """Say what an item holds of its elements."""
    return _ITEM[Kind(item.kind)](problem, goal, item, members)


def correction_text(problem: Problem, correction: Correction) -> str:
    """Say what would have to be done to lift the elements of a correction."""
    said: dict[str, list[str]] = {}
    for e in correction.lifted:
        text, rule = _LIFT[e.kind](problem, e, correction.given[e])
        said.setdefault(text, []).append(rule)
    text = listed(f"{text} ({', '.join(dict.fromkeys(rules))})" for text, rules in said.items())
    return text if correction.amounts_least else f"{text}; less may be enough"


def _named(members: Iterable[Element]) -> str:
    names = [e.subject for e in members]
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _of(members: Sequence[Element], one: str) -> str:
    """Name one subject, or count several and name the first."""
    if len(members) == 1:
        return f"{one} {members[0].subject}"
    return f"{len(members)} {one}s ({_named(members)})"


def _is_kept(goal: Goal, members: Sequence[Element]) -> bool:
    """Whether it is a repair of a plan that is held, and not a limit."""
    first = members[0]
    return any(i.atom == first.atom and first.index in (i.domain, i.member) for i in goal.kept)


# -- items -----------------------------------------------------------------------------------------------------------


def _room(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    repaired = "the repair of " if _is_kept(goal, members) else ""
    return f"{item.rule}: {repaired}{spoken(item.resource)} of {_of(members, item.level)}"


def _group(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    repaired = "the repair of " if _is_kept(goal, members) else ""
    if len(members) == 1:
        return f"{repaired}{item.rule} of {members[0].subject} at {item.level}"
    return f"{repaired}{item.rule} at {item.level} of {len(members)} groups ({_named(members)})"


def _leaving(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    if _is_kept(goal, members):
        return f"{item.rule}: the repair of {_of(members, 'VM')}"
    return f"{item.rule}: {_of(members, 'VM')} may not go to hosts that it must leave"


def _refused(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    why = f" ({item.subject})" if item.subject else ""
    if item.level == "vm":
        verb = "may go" if len(members) == 1 else "may each go"
        return f"{item.rule}: {_of(members, 'VM')} {verb} to certain hosts only{why}"
    return f"{item.rule}: {_of(members, 'host')} {'receives' if len(members) == 1 else 'receive'} no VM{why}"


def _pinned(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    why = f": {item.subject}" if item.subject else ""
    return f"{_named(members)} {'is' if len(members) == 1 else 'are'} pinned ({item.rule}{why})"


def _budget(problem: Problem, goal: Goal, item: Item, members: Sequence[Element]) -> str:
    return f"{item.rule}: {item.subject}"


_ITEM: dict[Kind, Callable[[Problem, Goal, Item, Sequence[Element]], str]] = {
    Kind.ROOM: _room,
    Kind.GROUP: _group,
    Kind.LEAVING: _leaving,
    Kind.REFUSED: _refused,
    Kind.PINNED: _pinned,
    Kind.BUDGET: _budget,
}


# -- what would help -------------------------------------------------------------------------------------------------


def _most(gives: Sequence[Given]) -> int:
    return max((g.amount for g in gives), default=0)


Said = tuple[str, str]
"""What to do, and the rule for which: what is done for several rules is said once."""


def _free(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    atom = cast("Linear", problem.atoms[e.atom])
    return f"free {amount_of(atom.resource, _most(gives))} on {e.item.level} {e.subject}", e.item.rule


def _share(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    """Say how a group's rule would give way; the shape knows what its excess counts."""
    atom = cast("Group", problem.atoms[e.atom])
    most, level = _most(gives), e.item.level
    where = _where(problem, gives)
    if atom.shape is COUNT:
        return f"let {most} more of {e.subject} share {where or f'a {level}'}", e.item.rule
    said: Mapping[object, str] = {
        PAIR: f"let {listed(e.subject.split('|'))} share {where or f'a {level}'}",
        OCCUPANCY: f"let {e.subject} be on {most} {level}{'s' if most > 1 else ''} fewer",
        COMPANY: f"let {most} of {e.subject.split('|')[0]} be on a {level} without {e.subject.split('|')[-1]}",
        TOGETHER: f"let {most} of {e.subject} be on another {level}",
    }
    return said[atom.shape], e.item.rule


def _where(problem: Problem, gives: Sequence[Given]) -> str:
    """Name the domain where it gives way, where there is one."""
    domains = [name_of(problem, g.instance).domain for g in gives if g.instance is not None]
    return domains[0].replace(":", " ", 1) if len(domains) == 1 else ""


def _let_go(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    return f"let {e.subject} be on a host that it must leave", e.item.rule


def _let_receive(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    return f"let {e.subject} go to other hosts" if e.item.level == "vm" else f"let {e.subject} receive", _why(e)


def _let_move(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    return f"let {e.subject} move", _why(e)


def _allow(problem: Problem, e: Element, gives: Sequence[Given]) -> Said:
    return f"allow {_most(gives):,} more", _why(e)


def _why(e: Element) -> str:
    return f"{e.item.rule}: {e.item.subject}" if e.item.subject else e.item.rule


_LIFT: dict[Kind, Callable[[Problem, Element, Sequence[Given]], Said]] = {
    Kind.ROOM: _free,
    Kind.GROUP: _share,
    Kind.LEAVING: _let_go,
    Kind.REFUSED: _let_receive,
    Kind.PINNED: _let_move,
    Kind.BUDGET: _allow,
}
