"""What a run of before left open is looked at in each cycle, on a real ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.execute.apply import apply
from optimizer.execute.button import StopFile
from optimizer.execute.drivers import Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger.records import Order
from optimizer.execute.states import MoveState
from optimizer.service.automation import Level
from optimizer.service.ending import Ending
from optimizer.service.events import Everybody
from optimizer.service.hands import LedgerHands
from tests.execute.applying import FLEET, POLICY, chain

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger

pytestmark = pytest.mark.usefixtures("unjudged")


class Lossy(SimulatedDriver):
    """The process dies once m0003 is submitted; later nothing can be read for a while."""

    readable = True

    def submit(self, request) -> str:
        job = super().submit(request)
        if request.move == "m0003":
            raise RuntimeError("power cut")
        return job

    def read_vm(self, vm: str):
        if not self.readable:
            raise Unreadable("503")
        return super().read_vm(vm)


def test_a_move_of_which_no_end_was_seen_is_looked_at_in_each_cycle_for_a_while(ledger: Ledger) -> None:
    """It kept its slot until the next plan was carried out, though a look would have said that it is over."""
    driver = Lossy(FLEET)
    with pytest.raises(RuntimeError, match="power cut"):
        apply(FLEET, POLICY, chain(), driver, ledger, act=True)
    hands = LedgerHands(
        ledger, lambda _: driver, "test", StopFile(None), Level.ACT, Order("ann", "why"), told=Everybody([])
    )
    driver.readable, took = False, []
    for _ in range(3):
        assert hands.left_open("tiny")
        began = driver.clock.monotonic()
        hands.settle(FLEET, POLICY, Ending(driver.clock))
        took.append(driver.clock.monotonic() - began)
        assert {f.state for f in ledger.in_flight("tiny")} == {MoveState.UNKNOWN}
    assert took[0] >= POLICY.execution.patience_s, "what may still end is waited for, once"
    assert driver.settles_s <= max(took[1:]) < driver.settles_s + 15.0
    driver.readable = True
    hands.settle(FLEET, POLICY, Ending(driver.clock))
    assert ledger.states("tiny", "plan-1")["m0003"] is MoveState.DONE
    assert not hands.left_open("tiny")
