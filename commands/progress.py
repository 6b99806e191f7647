"""Progress on standard error: a bar that turns on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from rich.status import Status

__all__ = ["Progress"]


class Progress:
    """What is being done right now, while it is being done; `tell` is handed to the engine."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.text import Text

            self._status = Console(stderr=True).status(Text(self._doing))
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, text: str) -> None:
        """Show what is being done now."""
        if self._status is not None:
            from rich.text import Text

            from optimizer.report.words import clean

            self._status.update(Text(clean(text)))
