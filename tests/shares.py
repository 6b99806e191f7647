"""Parameters of which CI tries the first few each day, and of the others another share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["first_and_rotating"]


def first_and_rotating(values: Iterable[Any], first: int = 2) -> list[Any]:
    """Return the values for `pytest.mark.parametrize`: all but the first few are marked ``rotating``."""
    cases = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*case, marks=pytest.mark.rotating if n >= first else ()) for n, case in enumerate(cases)]
