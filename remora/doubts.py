"""What is doubtful about fleet and policy, and yet no error: as values, and told once as a Python warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from optimizer import cautions as judging
from optimizer.clock import SystemClock
from optimizer.sources.policy_yaml import missing_required

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.plan import Caution
    from optimizer.policy import Policy
    from remora.fleets import Fleet

__all__ = ["InputWarning", "cautions", "hold_against", "tell"]


class InputWarning(UserWarning):
    """Something doubtful about a snapshot, an overlay or a policy, as the commands write it on standard error."""


def cautions(fleet: Fleet, policy: Policy) -> tuple[Caution, ...]:
    """Return all that is doubtful about a fleet and a policy as of now, what its overlay names in vain first."""
    return (*fleet.warnings, *judging.cautions(fleet.snapshot, policy, SystemClock().now()))


def hold_against(fleet: Fleet, policy: Policy) -> None:
    """Refuse names that match nothing and facts that are missing; warn of what is doubtful.

    Raises
    ------
    InputError
        The policy names what the fleet does not have, or requires a fact that it lacks.
    """
    judging.refuse_unknown_names(fleet.snapshot, policy)
    missing_required(policy, fleet.snapshot)
    tell(judging.cautions(fleet.snapshot, policy, SystemClock().now()))


def tell(doubts: Iterable[Caution]) -> None:
    """Issue a warning for each: from this one line, so that Python shows one cause once, whoever asks again."""
    for doubt in doubts:
        warnings.warn(str(doubt), InputWarning, stacklevel=1)
