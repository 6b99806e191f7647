"""What is doubtful about an input, and yet no error, is told as a Python warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from optimizer.cautions import cautions, refuse_unknown_names
from optimizer.clock import SystemClock
from optimizer.sources.policy_yaml import missing_required

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.caution import Caution
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["InputWarning", "hold_against", "tell"]


class InputWarning(UserWarning):
    """Something doubtful about a snapshot, an overlay or a policy, as the commands write it on standard error."""


def hold_against(fleet: Fleet, policy: Policy) -> None:
    """Refuse names that match nothing and facts that are missing; warn of what is doubtful.

    Raises
    ------
    InputError
        The policy names what the fleet does not have, or requires a fact that it lacks.
    """
    refuse_unknown_names(fleet, policy)
    missing_required(policy, fleet)
    tell(cautions(fleet, policy, SystemClock().now()))


def tell(doubts: Iterable[Caution]) -> None:
    """Issue a warning for each: from this one line, so that Python shows one cause once, whoever asks again."""
    for doubt in doubts:
        warnings.warn(str(doubt), InputWarning, stacklevel=1)
