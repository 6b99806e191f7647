"""The executor without I/O: `step(state, event) -> (state, effects)`.

Frozen dataclasses in and out; no clock, no driver, no ledger. The loop around it (`optimizer.execute.loop`) carries the
effects out and brings back what came of them as events, so the same decisions are made in production, in the
simulation and in the tests.
"""

from optimizer.execute.core.begin import begin
from optimizer.execute.core.step import step

__all__ = ["begin", "step"]
