"""Who makes the noise and who suffers: evidence from series of stalls and use, confirmed by what comes of acting.

`design` makes a regression of a host's series, `kernel` solves and tests it, `attribution` names pairs with a score in
the stall's own unit, `confirmation` is the state machine of each pair, `feed` writes what is known into a snapshot.
Nothing here reads a file, a clock or a network; series come in as arrays (`documents` reads them from plain values).
"""

from optimizer.signals.interference.attribution import Attribution, PairScore, attribute, attribute_all
from optimizer.signals.interference.confirmation import Outcome, update
from optimizer.signals.interference.feed import decided, noisy_ones, with_evidence
from optimizer.signals.interference.records import Change, Pair, Record, State
from optimizer.signals.interference.series import KINDS, HostSeries, Observation
from optimizer.signals.interference.settings import Settings

__all__ = [
    "KINDS",
    "Attribution",
    "Change",
    "HostSeries",
    "Observation",
    "Outcome",
    "Pair",
    "PairScore",
    "Record",
    "Settings",
    "State",
    "attribute",
    "attribute_all",
    "decided",
    "noisy_ones",
    "update",
    "with_evidence",
]
