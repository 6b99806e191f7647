"""What is learned of links, and of the speed of copies, while a plan is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["INTO", "OUT", "Link", "Mean", "Sharing"]

WEIGHT = 0.2
"""Part of a mean that its last value has, at least."""

HARDLY = 0.04
"""Part of what they get that guests dirty on the average up to which that is hardly anything."""

OUT, INTO = "out of", "into"
"""The kinds of a host's links; those of a domain have its level behind."""


class Link(NamedTuple):
    """One direction of what a copy goes over, and how much it carries; infinite: the snapshot does not say."""

    kind: str
    name: str
    mib_s: float = inf

    @property
    def is_of_host(self) -> bool:
        """Whether it is a host's own; a domain may have the same name."""
        return self.kind in (OUT, INTO)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, and of how many."""

    value: float = 0.0
    number: int = 0

    def with_one(self, value: float, least: float = WEIGHT) -> Mean:
        """Return the mean with one value more, which has at least this weight: more than 0 forgets older ones."""
        weight = max(least, 1 / (self.number + 1))
        return Mean(self.value + weight * (value - self.value), self.number + 1)


@dataclass(frozen=True, slots=True)
class Sharing:
    """What was learned.

    Attributes
    ----------
    ahead_s
        How long a move is prepared.
    dirtied
        Which part of what they get guests dirty of which the snapshot does not say it. It begins with one that dirties
        half, so that a few calm ones do not speak for all.
    filled
        The most that was seen to go over a card, as a part of what the snapshot says that it carries.
    stream_mib_s
        The most that a copy with its links to itself was seen to get; infinite while none was seen.
    carries
        What is reckoned to go over a link on which no copy got what its cards let it have, in MiB/s: the most that was
        seen, and one copy more where a copy got all that its cards let it have.
    seen
        The most that was seen to go over a link of which the snapshot does not say it.
    """

    ahead_s: Mean = Mean()
    dirtied: Mean = Mean(0.5, 1)
    filled: float = 0.0
    stream_mib_s: float = inf
    carries: Mapping[Link, float] = field(default_factory=dict)
    seen: Mapping[Link, float] = field(default_factory=dict)

    def dirties_mib_s(self, known_mib_s: float | None) -> float:
        """Return what a guest dirties of which the snapshot says this, or nothing; infinite where nobody knows."""
        if known_mib_s is not None:
            return known_mib_s
        return 0.0 if self.dirtied.value <= HARDLY else inf

    def most_mib_s(self, link: Link) -> float:
        """Return what really goes over a link at most, as far as was seen; infinite where nobody knows."""
        return self.seen[link] if link in self.carries else link.mib_s * (self.filled or inf)

    def alone_mib_s(self, links: Iterable[Link]) -> float:
        """Return what a copy gets that has its links to itself, as far as is known."""
        return min((self.stream_mib_s, *(link.mib_s for link in links)))
