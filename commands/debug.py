"""The debug log of a command: on standard error, one line an event, as ``key=value``."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VARIABLE", "log_to_stderr"]

VARIABLE = "REMORA_LOG"
"""Environment variable that does what `--debug` does."""

LINE = "time=%(asctime)s.%(msecs)03dZ logger=%(name)s %(message)s"


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Write what the program logs in the meantime."""
    formatter = logging.Formatter(LINE, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logger = logging.getLogger("remora")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
