"""Seeded, realistic fleets as `remora-fleet/1` documents, with problems planted of which the cure is known.

`generate(spec)` makes the same document for the same spec, byte for byte: no clock, one stream of random numbers.
Without problems a fleet is clean under the default policy and under ``dolphin``. Each problem has hosts of its own, so
the least numbers of moves in ``x_planted`` add up. `draft` places VMs, `plants` and its fellows break things,
`document` writes it all down.
"""

from optimizer.sources.synthetic.document import generate
from optimizer.sources.synthetic.spec import Spec

__all__ = ["Spec", "generate"]
