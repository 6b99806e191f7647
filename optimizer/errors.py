"""Every error that Remora raises on purpose, and the exit code that it ends with.

::

    RemoraError
    ├── InputError          2    the input or the command line is wrong; nothing was written
    ├── SafetyStop          4    a safety refused to act
    │   ├── ForeignPlan          the plan was made for another fleet
    │   ├── StalePlan            expired, or a VM or target that it touches has changed
    │   ├── AlreadyApplied       the ledger has seen this plan
    │   └── LeaseLost            another process leads: this one may no longer act
    ├── EngineError         3    workers died over a part of the work again and again, or failed: there is no plan
    ├── NotInTime           3    a limit was over before anything could be found
    └── Interrupted       130    stopped by the user; what was found is kept
"""

from __future__ import annotations

__all__ = [
    "MISSING",
    "AlreadyApplied",
    "EngineError",
    "ForeignPlan",
    "InputError",
    "Interrupted",
    "LeaseLost",
    "NotInTime",
    "RemoraError",
    "SafetyStop",
    "StalePlan",
]


class RemoraError(Exception):
    """The root of the tree; the command line prints its text and leaves with `exit_code`."""

    exit_code = 70


class InputError(RemoraError):
    """Something that was handed in is wrong.

    Parameters
    ----------
    where
        The file (or the option of the command line) that holds it.
    path
        The field in it, such as ``hosts[3].capacity.memory_mib``; empty for the document as a whole.
    value
        What stands there; shown shortened and with control characters escaped.
    expected
        What should stand there.
    hint
        What to do about it.
    """

    exit_code = 2

    def __init__(self, where: str, path: str, value: object, expected: str, hint: str = "") -> None:
        self.where, self.path, self.value, self.expected, self.hint = where, path, value, expected, hint
        place = printable(f"{where}: {path}" if path else where)
        wanted = printable(expected + (f" ({hint})" if hint else ""))  # names that were read stand in these, too
        super().__init__(f"{place}: {shorten(value)}: expected {wanted}")


class SafetyStop(RemoraError):
    """A safety refused to act; nothing (more) was done."""

    exit_code = 4


class ForeignPlan(SafetyStop):
    """The plan was made for another fleet."""


class StalePlan(SafetyStop):
    """The plan has expired, or a VM or a target that it touches has changed since."""


class AlreadyApplied(SafetyStop):
    """The ledger has a rebalance with this plan."""


class LeaseLost(SafetyStop):
    """Another process has taken the lead of the fleet: this one may no longer act."""


class EngineError(RemoraError):
    """Workers could not do a part of the work."""

    exit_code = 3


class NotInTime(RemoraError):
    """A limit was over before anything could be found."""

    exit_code = 3


class Interrupted(RemoraError):
    """The user stopped the run."""

    exit_code = 130


class _Missing:
    """What stands where nothing was said."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def shorten(value: object, limit: int = 80) -> str:
    """Render a value that was read for a message: escaped, and cut at `limit` characters."""
    words = {None: "null", True: "true", False: "false"}  # as the documents write them
    try:
        if value is None or isinstance(value, bool):
            return words[value]
        text = repr(value) if isinstance(value, str) else ascii(value)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of thousands of digits
        text = f"a {type(value).__name__} that is too large to show"
    text = printable(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Escape control characters: what was read may not steer a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
