"""Bugs of the gateway and of agents, to be planted one at a time; `mutants` says whose they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.execute.agents import inventory, orders, worker

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


def the_gateway_hands_out_after_a_stop(patch: pytest.MonkeyPatch) -> None:
    """A stop holds executors back, and not what they have ordered."""
    true = orders.claim
    patch.setattr(orders, "claim", lambda *asked, **how: true(*asked, **{**how, "stopped": False}))


def the_gateway_takes_what_comes_late_for_the_latest(patch: pytest.MonkeyPatch) -> None:
    """What an agent saw takes the place of what it has seen since."""
    patch.setattr(inventory, "PUT", inventory.PUT.split(" WHERE ")[0])
