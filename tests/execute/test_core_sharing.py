"""How many copies share a link, and what is learned of links: no driver, no clock."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, isclose
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.caps import Caps
from optimizer.execute.core import begin
from optimizer.execute.core.choose import next_round, tasks_of
from optimizer.execute.core.loads import uses_s
from optimizer.execute.core.model import Flight, Moment, Settings
from optimizer.execute.core.sharing import learned, links_now
from optimizer.execute.core.speeds import HARDLY, Link, Mean, Sharing
from optimizer.execute.states import MoveState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from optimizer.execute.core.model import State, Task

FLEET = line_fleet()
PLAN = plan_of(FLEET, *(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)))
UPLINK = Link("out of rack", "0")


def test_a_domain_that_has_the_name_of_a_host_is_not_that_host() -> None:
    """Domains are numbered, and hosts may have numbers for names: of neither is it known yet what it carries."""
    (task,) = tasks(0.0).tasks.values()
    links = Link("out of", "1"), Link("into", "5"), Link("out of rack", "1"), Link("into rack", "5")
    numbered = replace(task, source="1", target="5", links=links)
    assert {link for link, _ in uses_s(numbered, Sharing())} == set(links[:2])


def tasks(*dirties: float | None, card: float = 1000.0, own_card: bool = False) -> State:
    """Return a state with a task for each of these guests: all go out of one host, or each out of its own."""
    caps = Caps(FLEET, Concurrency(fleet=9, per_domain={}))
    made = begin(tasks_of(PLAN, FLEET, caps), Settings(), (), (), caps, Moment(FLEET.taken_at, 0.0))
    known: dict[Any, Task] = {}
    for n, (key, task) in enumerate(made.tasks.items()):
        if n < len(dirties):
            ends = Link("out of", task.source if own_card else "h0", card), Link("into", task.target, card)
            known[key] = replace(task, links=(*ends, UPLINK), dirties_mib_s=dirties[n], copied_mib=1000)
    return replace(made, tasks=known, waiting=tuple(known))


def copying(state: State, *left: float | None, rate: float | None = None) -> State:
    """Let the first of them copy, with this left of each."""
    flying = {}
    for key, mib in zip(state.waiting, left, strict=False):
        task = state.tasks[key]
        flying[key] = Flight(
            key, task.vm, task.source, task.target, 1000, 1, MoveState.COPYING, 0.0, left_mib=mib, rate_mib_s=rate
        )
    return replace(state, flying=flying)


def test_what_is_less_urgent_does_not_join_what_a_more_urgent_move_waits_for() -> None:
    state = tasks(0.0, 400.0, 0.0)
    cool, hot, late = (state.tasks[k] for k in state.waiting)
    links = links_now(copying(state, 90_000.0, rate=1000.0), Moment(FLEET.taken_at, 0.0))
    assert links.have_room(replace(late, rank=(2.0,)))
    assert not links.have_room(hot)
    links.keep(replace(hot, rank=(0.0,)))
    assert not links.have_room(replace(late, rank=(2.0,)))
    assert links.have_room(replace(cool, rank=(0.0,)))


def test_nobody_joins_the_end_of_a_hot_guest_on_a_slow_uplink() -> None:
    state = copying(tasks(200.0, 0.0, card=10_000.0, own_card=True), 1.0, rate=400.0)
    assert room(state)
    assert not room(replace(state, sharing=replace(state.sharing, carries={UPLINK: 400.0})))


def room(state: State, now: float = 0.0) -> bool:
    return links_now(state, Moment(FLEET.taken_at, now)).have_room(state.tasks[state.waiting[-1]])


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (0.0, 0.0, True),
        (0.0, 250.0, True),  # half of the card is twice as much as it dirties
        (0.0, 251.0, False),
        (251.0, 0.0, False),
        (None, 0.0, False),
        (0.0, None, False),
    ],
)
def test_two_share_a_card_where_each_gets_twice_what_it_dirties(
    one: float | None, other: float | None, fits: bool
) -> None:
    assert room(copying(tasks(one, other), 900.0)) is fits


def test_whatever_a_guest_dirties_it_may_be_copied_alone() -> None:
    assert room(tasks(5000.0))
    assert room(tasks(None))


def test_a_third_needs_a_third_of_the_card() -> None:
    assert room(copying(tasks(0.0, 160.0, 0.0), 900.0, 900.0))
    assert not room(copying(tasks(0.0, 170.0, 0.0), 900.0, 900.0))


def test_the_next_begins_when_the_copy_before_it_will_be_over_by_then() -> None:
    state = replace(copying(tasks(200.0, 400.0), 3001.0, rate=700.0), sharing=Sharing(ahead_s=Mean(4.0, 1)))
    assert not room(state)  # 3,000 MiB take 6 s at 500 net; preparing and a look, 6 s
    assert room(replace(state, flying={k: replace(f, left_mib=3000.0) for k, f in state.flying.items()}))


def test_a_guest_that_needs_its_card_alone_is_not_joined_at_its_end() -> None:
    state = replace(copying(tasks(260.0, 0.0), 1.0, rate=700.0), sharing=Sharing(ahead_s=Mean(4.0, 1)))
    assert not room(state)


def test_streams_that_cannot_fill_a_card_let_more_in() -> None:
    state = copying(tasks(300.0, 300.0), 900.0)
    assert not room(state)
    assert room(replace(state, sharing=Sharing(stream_mib_s=350.0)))


def test_an_uplink_that_carries_too_little_takes_no_hot_guest_more() -> None:
    state = copying(tasks(0.0, 0.0, 200.0, own_card=True), 900.0, 900.0)
    assert room(state)  # nothing is known of the uplink
    assert not room(replace(state, sharing=Sharing(carries={UPLINK: 1100.0})))
    assert room(replace(state, sharing=Sharing(carries={UPLINK: 1200.0})))


@pytest.mark.parametrize(("carries", "fits"), [(500.0, True), (499.0, False), (1.0, False)])
def test_calm_guests_share_an_uplink_that_binds_while_each_gets_a_sixth_of_its_card(carries: float, fits: bool) -> None:
    state = copying(tasks(0.0, 0.0, 0.0, own_card=True), 900.0, 900.0)
    assert room(replace(state, sharing=Sharing(carries={UPLINK: carries}))) is fits


def test_a_first_copy_goes_over_an_uplink_whatever_that_carries() -> None:
    assert room(replace(tasks(0.0, own_card=True), sharing=Sharing(carries={UPLINK: 1.0})))


def test_moves_over_the_busiest_link_go_first_uplinks_once_they_are_known_to_bind() -> None:
    """v0 and v1 go out of a rack, each from a host of its own; v2 is larger, and stays within its rack."""
    state = tasks(0.0, 0.0, 0.0, own_card=True)
    *over_it, third = state.waiting
    large = replace(state.tasks[third], copied_mib=1500, links=state.tasks[third].links[:2])
    state = replace(state, tasks={**state.tasks, third: large}, finished=99, pace=replace(state.pace, limit=1))
    now = Moment(FLEET.taken_at, 0.0)
    assert next_round(state, now) == (third,)
    (first,) = next_round(replace(state, sharing=Sharing(carries={UPLINK: 10.0})), now)
    assert first in over_it


def looked(state: State, seconds: float, *left: float) -> State:
    """Look again after seconds."""
    before = state.flying
    flying = {k: replace(f, left_mib=mib) for (k, f), mib in zip(before.items(), left, strict=True)}
    return learned(replace(state, flying=flying), before, seconds)


def test_what_an_uplink_carries_is_learned_where_no_copy_gets_what_its_cards_let_it_have() -> None:
    state = looked(copying(tasks(0.0, 0.0, own_card=True), 1000.0, 1000.0), 2.0, 400.0, 400.0)
    assert [f.rate_mib_s for f in state.flying.values()] == [300.0, 300.0]
    assert state.sharing.carries == {UPLINK: 600.0}
    state = looked(state, 4.0, 200.0, 200.0)
    assert state.sharing.carries == {UPLINK: 600.0}, "the most that was seen"


def test_an_uplink_on_which_a_copy_gets_its_card_is_not_known_to_bind() -> None:
    state = looked(copying(tasks(0.0, 0.0, own_card=True), 2000.0, 1000.0), 1.0, 1100.0, 900.0)
    assert state.sharing.carries == {}
    known = replace(state, sharing=replace(state.sharing, carries={UPLINK: 1000.0}))
    assert looked(known, 2.0, 200.0, 800.0).sharing.carries == {UPLINK: 2000.0}, "room for one more"


def test_copies_that_shared_their_cards_for_a_part_of_the_time_say_nothing_of_the_uplink() -> None:
    """The other has ended since: the first got less than the card by which it goes alone now."""
    state = copying(tasks(0.0, 0.0), 2000.0, 1000.0)
    first = next(iter(state.flying))
    left = {first: replace(state.flying[first], left_mib=1300.0)}
    sharing = learned(replace(state, flying=left), state.flying, 1.0).sharing
    assert sharing.stream_mib_s == inf
    known = replace(state, sharing=replace(sharing, stream_mib_s=1000.0), flying=left)
    assert learned(known, state.flying, 1.0).sharing.carries == {}


def test_a_copy_with_its_links_to_itself_says_what_one_stream_gets() -> None:
    assert looked(copying(tasks(0.0), 1000.0), 2.0, 300.0).sharing.stream_mib_s == 350.0
    two = copying(tasks(0.0, 0.0, own_card=True), 1000.0, 1000.0)
    assert looked(two, 2.0, 300.0, 300.0).sharing.stream_mib_s == inf


def test_what_was_dirtied_counts_as_copied() -> None:
    state = looked(copying(tasks(100.0), 1000.0), 2.0, 400.0)
    (flight,) = state.flying.values()
    assert flight.rate_mib_s is not None
    assert isclose(flight.rate_mib_s, 300.0 + 0.6 * 100.0)


def dirtied(state: State) -> list[float]:
    """Return the mean of what was seen to be dirtied, without the one that it begins with; nothing where nobody was."""
    mean = state.sharing.dirtied
    return [round((mean.value * mean.number - 0.5) / (mean.number - 1), 6)] if mean.number > 1 else []


@pytest.mark.parametrize(("left", "part"), [(500.0, 0.0), (600.0, 0.5)])
def test_what_guests_dirty_is_learned_where_the_snapshot_does_not_say(left: float, part: float) -> None:
    """300 MiB/s were seen to go over a card: 60 too few are a fifth of that, where two fifths may be dirtied."""
    state = replace(copying(tasks(None), 1000.0), sharing=Sharing(filled=0.3))
    state = looked(state, 1.0, left + 300.0 * (1 - part / 2.5))
    assert dirtied(state) == []
    state = looked(state, 2.0, left)
    assert dirtied(state) == [part]
    assert dirtied(looked(state, 3.0, 100.0)) == [part], "once of each"


@pytest.mark.parametrize(("each", "part"), [(450.0, 0.0), (405.0, 0.219780)])
def test_of_copies_that_share_a_card_it_is_learned_from_all_that_goes_over_it(each: float, part: float) -> None:
    """Both targets' cards are half empty, and say nothing."""
    state = replace(copying(tasks(None, None), 950.0, 950.0), sharing=Sharing(filled=0.9))
    assert dirtied(looked(state, 1.0, 950.0 - each, 950.0 - each)) == [], "by its first rate"
    state = replace(copying(state, 950.0, 950.0, rate=each), sharing=Sharing(filled=0.9))
    assert dirtied(looked(state, 1.0, 950.0 - each, 950.0 - each)) == [part]


def test_while_others_join_or_leave_nothing_is_learned_of_what_guests_dirty() -> None:
    state = replace(copying(tasks(None, None), 950.0, None), sharing=Sharing(filled=0.9))
    assert dirtied(looked(state, 1.0, 500.0, 900.0)) == []


@pytest.mark.parametrize(
    ("now", "copies", "left", "fits"),
    [
        (1.9, False, None, False),
        (2.0, False, None, True),
        (5.9, False, None, True),
        (6.0, False, None, False),
        (5.9, True, 1.0, True),
        (6.0, True, 1.0, False),
        (5.9, True, None, False),
    ],
)
def test_the_next_begins_so_much_later_as_a_copy_takes_of_a_guest_that_dirties_most_of_what_it_gets(
    now: float, copies: bool, left: float | None, fits: bool
) -> None:
    """Alone it takes a second, so two then; both are prepared for four. One that is seen later is not joined."""
    state = replace(copying(tasks(None, None), left), sharing=Sharing(ahead_s=Mean(4.0, 1)))
    phase = MoveState.COPYING if copies else MoveState.PREPARING
    state = flights(state, state=phase)
    assert room(state, now) is fits
    assert not room(replace(state, settings=Settings(apart=True)), now) or not copies
    assert not room(flights(state, inherited=True), now)
    assert not room(replace(state, sharing=Sharing()), now), "nobody has said yet what is left"


def flights(of: State, **changed: Any) -> State:
    return replace(of, flying={k: replace(f, **changed) for k, f in of.flying.items()})


@pytest.mark.parametrize("phase", [0.05, 0.2, 0.4])
def test_short_copies_of_hot_guests_do_not_pass_for_calm_ones(phase: float) -> None:
    """Three looks at each, which dirties 0.3 of what it gets once all is copied: its first rate is no measure of it."""
    state = tasks(None)
    for _ in range(14):
        state = copying(replace(state, flying={}), 1000.0)
        for look in (phase, phase + 0.3, phase + 0.6):
            state = looked(state, look, 1000.0 * (1 - (1 - exp(-0.3 * look)) / 0.3))
    assert state.sharing.dirtied.value > HARDLY


def test_a_blank_look_ends_no_preparation_and_leaves_no_old_rate() -> None:
    state = replace(copying(tasks(None), 1000.0), sharing=Sharing(filled=0.9, ahead_s=Mean(4.0, 1)))
    state = looked(state, 1.0, 800.0)
    blank = flights(state, left_mib=None)
    back = learned(flights(blank, left_mib=400.0), blank.flying, 300.0)
    assert back.sharing.ahead_s == Mean(4.0, 1)
    assert next(iter(back.flying.values())).rate_mib_s is None
    assert dirtied(back) == []


def test_a_look_that_could_not_be_had_says_nothing_of_what_guests_dirty() -> None:
    state = looked(replace(copying(tasks(None), 1000.0), sharing=Sharing(filled=0.9)), 1.0, 800.0)
    blind = learned(replace(state, flying={k: replace(f, left_mib=None) for k, f in state.flying.items()}), {}, 2.0)
    assert dirtied(blind) == []


def test_a_row_of_calm_guests_does_not_make_those_forgotten_that_were_not() -> None:
    """One in five dirties much: after any number the mean says so, also when the last ten were calm."""
    seen = replace(copying(tasks(None), 1000.0), sharing=Sharing(dirtied=Mean(0.2, 40)))
    for _ in range(10):
        seen = looked(looked(copying(replace(seen, flying={}), 1000.0), 1.0, 750.0), 2.0, 500.0)
    assert (seen.sharing.dirtied.number, round(seen.sharing.dirtied.value, 6)) == (50, 0.16)


@pytest.mark.parametrize(("calm", "hot", "fits"), [(0, 0, False), (11, 0, False), (12, 0, True), (23, 1, False)])
def test_unknown_guests_share_once_enough_were_seen_to_dirty_hardly_anything(calm: int, hot: int, fits: bool) -> None:
    mean = Sharing().dirtied
    for part in [0.0] * calm + [0.5] * hot:
        mean = mean.with_one(part, least=0.0)
    assert (mean.value <= HARDLY) is fits
    assert room(replace(copying(tasks(None, None), 900.0), sharing=Sharing(dirtied=mean))) is fits
