"""In which order moves start over links: the busiest is kept full. No driver, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.caps import Caps, Token
from optimizer.execute.core import begin
from optimizer.execute.core.choose import next_round, tasks_of
from optimizer.execute.core.loads import uses_s
from optimizer.execute.core.model import Flight, Moment, Settings
from optimizer.execute.core.order import Order
from optimizer.execute.core.sharing import learned
from optimizer.execute.core.speeds import Link, Mean, Sharing
from optimizer.execute.ledger.records import Key
from optimizer.execute.states import MoveState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from optimizer.execute.core.model import State, Task

FLEET = line_fleet()
PLAN = plan_of(FLEET, *(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)))
NOW = Moment(FLEET.taken_at, 0.0)
CARD = 1000.0
KNOWS = Sharing(ahead_s=Mean(4.0, 1))


def state_of(*moves: tuple[str, str, int], each: int = 3, urgency: dict[int, int] | None = None, **of: Any) -> State:
    """Return a state with moves from, to, and of so many MiB; over cards that carry 1,000 MiB/s."""
    caps = Caps(FLEET, Concurrency(99, each, each, {}, per_group=None))
    made = begin(tasks_of(PLAN, FLEET, caps), Settings(), (), (), caps, NOW)
    tasks = {}
    for n, ((key, task), (source, target, mib)) in enumerate(zip(made.tasks.items(), moves, strict=False)):
        tasks[key] = replace(
            task,
            source=source,
            target=target,
            copied_mib=mib,
            seconds=mib / CARD,
            rank=((urgency or {}).get(n, 2), -mib / CARD, n),
            tokens=caps.tokens(task.vm, source, target),
            links=(Link("out of", source, CARD), Link("into", target, CARD)),
            dirties_mib_s=0.0,
        )
    pace = replace(made.pace, limit=99)
    more: dict[str, Any] = {"finished": 99, "sharing": KNOWS, **of}
    return replace(made, tasks=tasks, waiting=tuple(tasks), pace=pace, settings=Settings(fleet_cap=99), **more)


def with_flights(state: State, *left: float | None, phase: MoveState = MoveState.COPYING, **more: Any) -> State:
    """Let the first of the moves copy, with so much left."""
    flying = {}
    for key, mib in zip(state.waiting, left, strict=False):
        t = state.tasks[key]
        ends: dict[str, Any] = {"source": t.source, "target": t.target, "tokens": t.tokens, "copied_mib": t.copied_mib}
        flying[key] = Flight(key=key, vm=t.vm, attempt=1, state=phase, since=0.0, left_mib=mib, **ends, **more)
    return replace(state, flying=flying, waiting=tuple(k for k in state.waiting if k not in flying))


def turns(state: State) -> list[int]:
    """Return the numbers of the moves in the order in which they may start."""
    numbers = {key: n for n, key in enumerate(state.tasks)}
    return [numbers[t.key] for t in Order(state, NOW).in_turn(state.tasks[k] for k in state.waiting)]


def started(state: State, now: Moment = NOW) -> list[int]:
    """Return the numbers of the moves that start now."""
    numbers = {key: n for n, key in enumerate(state.tasks)}
    return [numbers[key] for key in next_round(state, now)]


def changed(state: State, number: int, **of: Any) -> State:
    """Change one of the moves."""
    tasks = dict(state.tasks)
    key = tuple(tasks)[number]
    tasks[key] = replace(tasks[key], **of)
    return replace(state, tasks=tasks)


def later(state: State, number: int) -> State:
    """Let one of the moves wait for its time."""
    return replace(state, not_before={tuple(state.tasks)[number]: 9_999.0})


def test_urgency_goes_first_then_the_longer_of_chain_and_load() -> None:
    state = state_of(("h0", "h6", 9_000), ("h1", "h7", 1_000))
    assert turns(state) == [0, 1]
    assert turns(changed(state, 1, rank=(2, -500.0, 1))) == [1, 0]
    assert turns(changed(state, 1, rank=(0, -1.0, 1))) == [1, 0]


def test_what_has_begun_in_this_round_counts_for_the_next_of_it() -> None:
    """Beside the two longest the shortest: so the link is never without two copies, until its last one goes."""
    state = state_of(*(("h0", f"h{6 + n}", mib) for n, mib in enumerate((24_000, 12_000, 8_000, 4_000))))
    assert turns(state) == [0, 1, 2, 3]
    assert started(state) == [0, 1, 3]


TWO_LEFT = [("h0", f"h{6 + n}", mib) for n, mib in enumerate((12_000, 12_000, 12_000, 4_000))]


def test_of_those_that_wait_one_goes_with_which_the_link_loses_the_least() -> None:
    """Three copies of one size end at once, and the fourth is prepared while nothing is copied."""
    state = state_of(*TWO_LEFT)
    assert turns(with_flights(state, 12_000.0, 12_000.0)) == [3, 2]
    long = state_of(("h0", "h6", 60_000), ("h0", "h7", 60_000), *TWO_LEFT[2:])
    assert turns(with_flights(long, 60_000.0, 60_000.0)) == [2, 3], "where it loses none either way, the longest"


@pytest.mark.parametrize(("left", "first"), [(50_000.0, 1), (1_000.0, 2), (None, 1)])
def test_what_is_left_of_copies_counts_for_their_links(left: float | None, first: int) -> None:
    state = state_of(("h0", "h6", 50_000), ("h0", "h7", 9_000), ("h2", "h8", 20_000))
    assert turns(with_flights(state, left))[0] == first


def test_where_it_loses_as_little_with_several_the_one_goes_for_whose_other_end_the_most_waits() -> None:
    """Else the longest of them."""
    state = state_of(("h0", "h6", 60_000), ("h0", "h7", 9_000), ("h0", "h8", 8_000), ("h1", "h8", 30_000))
    assert turns(state)[:3] == [0, 2, 1]


@pytest.mark.parametrize(("beside", "first"), [(16_000.0, 4), (15_999.0, 2)])
@pytest.mark.parametrize("why", ["dirty", "many", "no cap"])
def test_where_nothing_is_foreseen_the_shortest_goes_beside_what_lasts_until_two_have_followed(
    why: str, beside: float, first: int
) -> None:
    """Prepared in 4 s and confirmed by two looks, 2 s apart: a copy follows one that is over after 8 s."""
    state = state_of(*(("h0", f"h{6 + n}", mib) for n, mib in enumerate((60_000, 60_000, 9_000, 7_000, 5_000))))
    if why == "dirty":
        state = changed(state, 3, dirties_mib_s=170.0)
    elif why == "no cap":
        state = changed(state, 2, tokens=())
    else:
        more = {
            Key("plan-1", f"m{n}"): replace(state.tasks[state.waiting[3]], key=Key("plan-1", f"m{n}"))
            for n in range(20, 35)
        }
        state = replace(state, tasks={**state.tasks, **more}, waiting=(*state.waiting, *more))
    assert turns(with_flights(state, 60_000.0, beside))[0] == first
    if why == "dirty":
        assert turns(with_flights(changed(state, 3, dirties_mib_s=160.0), 60_000.0, beside))[0] == 2


def test_where_one_copy_cannot_fill_the_link_the_longest_goes_first() -> None:
    state = state_of(*TWO_LEFT)
    slow = replace(state, sharing=replace(KNOWS, stream_mib_s=400.0))
    assert turns(with_flights(slow, 12_000.0, 12_000.0))[0] == 2


def test_guests_of_which_nobody_knows_what_they_dirty_go_the_longest_first_and_join_nobody_anyway() -> None:
    state = state_of(*TWO_LEFT)
    unknown = {key: replace(task, dirties_mib_s=None) for key, task in state.tasks.items()}
    assert turns(with_flights(replace(state, tasks=unknown), 12_000.0, 12_000.0))[0] == 2


def test_of_moves_over_a_link_one_goes_whose_other_end_is_free() -> None:
    state = state_of(("h1", "h7", 5_000), ("h0", "h7", 30_000), ("h0", "h8", 20_000))
    assert turns(with_flights(state, 5_000.0)) == [2, 1]


def test_what_it_gets_at_its_other_end_counts_and_not_at_the_one_that_all_share() -> None:
    moves = ("h1", "h7", 5_000), ("h0", "h9", 30_000), ("h0", "h7", 30_000), ("h0", "h8", 20_000)
    assert turns(with_flights(state_of(*moves), 5_000.0, 1_000.0)) == [3, 2]


def test_what_waits_to_leave_a_host_is_weighed_once_for_each_that_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand moves out of one host took 0.7 s in each round: each was weighed for each, though no slot was left."""
    (first,) = (state := state_of(("h0", "h6", 4_000))).tasks.values()
    many = {first.key._replace(move=f"m{n}"): replace(first, vm=f"vm{n}", rank=(2, -n, n)) for n in range(200)}
    many = {key: replace(task, key=key) for key, task in many.items()}
    weighed, gets = [], Order._gets

    def counted(order: Order, task: Task, *more: Any) -> float:
        weighed.append(task)
        return gets(order, task, *more)

    monkeypatch.setattr(Order, "_gets", counted)
    chosen = next_round(replace(state, tasks=many, waiting=tuple(many)), NOW)
    assert [key.move for key in chosen] == ["m199", "m198", "m197"]
    assert len(many) <= len(weighed) <= 4 * len(many)


@pytest.mark.parametrize(("other", "joins"), [(20_000, False), (90_000, True)])
def test_what_has_less_to_wait_for_does_not_take_from_the_busiest_link(other: int, joins: bool) -> None:
    """The only copy out of h0, which has the most to carry, would get half of h7's card; h0's next has to wait."""
    state = with_flights(state_of(("h0", "h7", 30_000), ("h0", "h8", 40_000), ("h2", "h7", other)), 30_000.0)
    state = replace(state, not_before={state.waiting[0]: 99.0})
    assert started(state) == [2] * joins
    assert started(replace(state, waiting=state.waiting[1:])) == [2], "h0 has no more than that copy"


DISTURBS = [("h0", "h7", 30_000), ("h0", "h8", 40_000), ("h2", "h7", 20_000)]


def test_canaries_join_anyway() -> None:
    state = later(with_flights(state_of(*DISTURBS), 30_000.0), 1)
    assert (started(state), started(replace(state, finished=0))) == ([], [2])


def test_it_joins_a_copy_that_a_link_less_busy_than_its_own_waits_for() -> None:
    state = later(with_flights(state_of(*DISTURBS, ("h2", "h9", 150_000)), 30_000.0), 1)
    assert started(state) == [3, 2]


@pytest.mark.parametrize(("alone", "joins"), [(400.0, True), (620.0, True), (640.0, False)])
def test_it_joins_a_copy_that_still_gets_nearly_what_it_gets_alone(alone: float, joins: bool) -> None:
    state = later(with_flights(state_of(*DISTURBS), 30_000.0), 1)
    assert started(replace(state, sharing=replace(KNOWS, stream_mib_s=alone))) == [2] * joins


def test_it_joins_a_copy_of_which_nobody_knows_what_its_busiest_link_carries() -> None:
    state = later(with_flights(state_of(*DISTURBS), 30_000.0), 1)
    for number in (0, 1):
        state = changed(state, number, links=(Link("out of", "h0"), tuple(state.tasks.values())[number].links[1]))
    assert started(state) == [2]


def test_it_joins_the_end_of_a_copy_where_nobody_knows_what_its_guest_dirties() -> None:
    """There each link is for one copy: it could only wait until that one is over."""
    state = later(with_flights(state_of(*DISTURBS), 500.0, rate_mib_s=900.0), 1)
    assert started(state) == []
    assert started(changed(state, 2, dirties_mib_s=None)) == [2]


def test_what_waits_for_room_keeps_its_links_from_all_that_is_less_urgent() -> None:
    state = with_flights(state_of(("h0", "h6", 9_000), ("h0", "h7", 9_000), ("h0", "h8", 9_000)), 9_000.0)
    state = changed(state, 1, dirties_mib_s=400.0)
    assert started(state) == [2]
    assert started(changed(state, 1, rank=(0, -9.0, 1))) == []


FULL = [("h0", "h7", 30_000), ("h0", "h8", 30_000), ("h0", "h9", 40_000)]


@pytest.mark.parametrize(("target", "joins"), [("h7", True), ("h8", False)])
def test_it_joins_where_the_busiest_link_stays_full_when_the_first_of_its_copies_has_ended(
    target: str, joins: bool
) -> None:
    state = state_of(*FULL, ("h2", target, 20_000), each=2)
    assert started(with_flights(state, 20_000.0, 30_000.0)) == [3] * joins


def test_it_joins_what_is_less_urgent() -> None:
    urgent = with_flights(state_of(FULL[0], FULL[2], ("h2", "h7", 20_000), each=2, urgency={2: 0}), 30_000.0)
    assert 2 in started(urgent)


LONG = [("h2", "h7", 9_000), ("h0", "h7", 60_000), ("h0", "h9", 3_000)]


def test_a_free_slot_is_kept_for_a_move_that_takes_longer_than_all_that_is_left() -> None:
    """h7 is taken: while its last copy goes on, h0's slot is not given to what would keep it longer."""
    slow = replace(KNOWS, stream_mib_s=400.0)
    state = with_flights(state_of(*LONG, each=1, sharing=slow), 500.0)
    assert started(state) == []
    assert started(replace(state, sharing=KNOWS)) == [2]
    assert started(with_flights(state_of(*LONG, each=1, sharing=slow, urgency={2: 0}), 500.0)) == [2]


def test_no_slot_is_kept_for_a_move_that_a_limit_lets_never_start() -> None:
    state = with_flights(state_of(*LONG, each=1, sharing=replace(KNOWS, stream_mib_s=400.0)), 500.0)
    never = Token("source", "h0", 0, "0 per source")
    assert started(changed(state, 1, tokens=(*tuple(state.tasks.values())[1].tokens, never))) == [2]


STANDS_STILL: list[dict[str, Any]] = [{"phase": MoveState.SWITCHING}, {"aborts": 3}]
LATER = Moment(NOW.at + timedelta(seconds=600), 600.0)


@pytest.mark.parametrize("of", [{"phase": MoveState.UNKNOWN}, {"inherited": True}, *STANDS_STILL])
def test_no_slot_is_kept_while_nobody_knows_when_there_will_be_the_other(of: dict[str, Any]) -> None:
    state = state_of(*LONG, each=1, sharing=replace(KNOWS, stream_mib_s=400.0))
    state = with_flights(state, 500.0, **of)
    assert started(state, LATER) == [2]
    assert started(state) == ([] if of in STANDS_STILL else [2])


def test_no_move_stays_away_from_a_copy_that_stands_still_for_ever() -> None:
    """The run would end there, as nothing that is in flight gets on, and that move would never have been tried."""
    state = state_of(("h0", "h7", 30_000), ("h0", "h8", 40_000), ("h2", "h7", 20_000))
    state = with_flights(state, 30_000.0, aborts=3)
    state = replace(state, not_before={state.waiting[0]: 999.0})
    assert (started(state), started(state, LATER)) == ([], [2])
    dirty = {key: replace(task, dirties_mib_s=400.0) for key, task in state.tasks.items()}
    state = replace(state, tasks=dirty, waiting=state.waiting[1:])
    assert (started(state), started(state, LATER)) == ([], [2])


def test_a_copy_that_seems_over_says_nothing_of_its_links() -> None:
    """What it had left at an older look has not changed: an uplink would be taken to carry next to nothing."""
    state = with_flights(state_of(("h0", "h7", 4_000), sharing=replace(KNOWS, stream_mib_s=CARD)), 400.0)
    (key,) = state.tasks
    uplink = Link("out of rack", "0", inf)
    task = replace(state.tasks[key], links=(*state.tasks[key].links, uplink), dirties_mib_s=200.0)
    flight = replace(state.flying[key], belief="done None 2", agreed=1)
    over = replace(state, tasks={key: task}, flying={key: flight})
    assert learned(over, over.flying, 2.0).sharing.carries == {}
    going_on = replace(over, flying={key: replace(flight, belief="")})
    assert uplink in learned(going_on, going_on.flying, 2.0).sharing.carries
    assert {link for link, _ in uses_s(task, Sharing())} == set(task.links[:2])
