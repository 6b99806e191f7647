"""Bugs of the gateway and of agents, to be planted one at a time; `mutants` says whose they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.execute.agents import orders, worker

if TYPE_CHECKING:
    import pytest


def an_agent_begins_again_what_had_no_answer(patch: pytest.MonkeyPatch) -> None:
    """An order whose submit had no answer, or that was being begun when the agent died, is begun once more."""
    true = worker.Worker._carry_on

    def carry_on(self: Any, token: str, entry: Any) -> Any:
        if entry.phase == "submitting":
            entry.phase, self._begin_by[token] = "claimed", float("inf")
        return true(self, token, entry)

    patch.setattr(worker.Worker, "_carry_on", carry_on)


def an_order_whose_lease_ran_out_has_failed(patch: pytest.MonkeyPatch) -> None:
    """What a silent agent had in hand is written off."""
    true = orders.find

    def find(*asked: Any) -> Any:
        order = true(*asked)
        if order is not None and order["lapsed"]:
            order |= {"lapsed": False, "state": "failed", "failure": "temporary", "ended_s": order["leased_until_s"]}
            order |= {"confirmed": True, "ended_for_s": 0.0}
        return order

    patch.setattr(orders, "find", find)
