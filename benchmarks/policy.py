"""The policy under which benchmarks plan and judge where no other is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints import CATALOGUE, SHIPPED
from optimizer.sources.policy_yaml import read_policy

if TYPE_CHECKING:
    from optimizer.policy import Policy

__all__ = ["default_policy"]


def default_policy() -> Policy:
    """Return the policy that ships as the default."""
    return read_policy("default", CATALOGUE, SHIPPED)
