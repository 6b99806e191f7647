"""How evidence of interference is judged: the section `interference` of the configuration, with its defaults."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    """Limits and widths of attribution and confirmation.

    Parameters
    ----------
    window
        Samples in a window. Fewer than about 20 leave too few circular shifts to tell chance from cause.
    windows
        Windows that are looked at together; the last ones of the series.
    lasts
        In how many of these windows a pair has to cost at least `score_until`, to become evidence.
    still_lasts
        The same for a pair that is evidence already.
    score_from
        A pair that costs its victim at least this fraction of its time can become evidence.
    score_until
        Evidence stays while the cost is at least this.
    false_discoveries
        The expected share of false pairs among those found on one host (Benjamini and Hochberg, 1995).
    shifts
        Circular shifts that a pair is compared with, at most.
    seed
        Random seed of the shifts: the same series give the same evidence.
    lag
        Stall may be reported this many scrapes before or after the use that causes it.
    gap
        Missing samples in a row that are filled in between their neighbours; longer gaps are left out.
    present
        Share of a window's samples that a VM needs, to be looked at there.
    common_from
        VMs that a host needs, for what they do all at once to be told from what one of them does.
    in_step
        A VM whose use correlates by more than this with that of the three others that are most like it is not blamed:
        what all of them do at once cannot be told apart.
    in_step_with_all
        The same for the mean of all others on the host.
    in_step_slowly
        The same for the mean of all others over the whole series, averaged over a few samples.
    in_step_asked
        The same for what a VM asks for, waiting included, where vCPU wait says it: it correlates by more than this with
        what all others ask for.
    contrast
        Share of the samples in which a host needs to have cores left, for VMs that ask for more all at once to be told
        from one that does so by itself: on a host that is full more often, only a large part is blamed.
    large_part
        A VM that asks for at least this part of all that is asked for on its host is blamed all the same.
    large_swing
        So is one whose deviation is at least this part of the deviation of all that is asked for.
    noisy_from
        A VM that disturbs at least this many is the noisy one: those that it disturbs are not blamed for disturbing it.
    falls_by
        Share of the score by which the stall has to fall after a separation, for the pair to be confirmed.
    judged_within
        Windows after a separation within which it has to fall.
    rest_s
        Seconds for which a refuted pair is not taken for evidence again.
    kept_s
        Seconds for which a confirmed pair is kept apart.
    """

    window: int = Field(default=30, ge=10, le=10_000)
    windows: int = Field(default=5, ge=1, le=100)
    lasts: int = Field(default=3, ge=1, le=100)
    still_lasts: int = Field(default=2, ge=0, le=100)
    score_from: float = Field(default=0.05, gt=0, le=1)
    score_until: float = Field(default=0.03, ge=0, le=1)
    false_discoveries: float = Field(default=0.10, gt=0, lt=1)
    shifts: int = Field(default=5000, ge=20, le=1_000_000)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    lag: int = Field(default=1, ge=0, le=10)
    gap: int = Field(default=2, ge=0, le=100)
    present: float = Field(default=0.5, gt=0, le=1)
    common_from: int = Field(default=5, ge=3, le=1000)
    in_step: float = Field(default=0.6, gt=0, le=1)
    in_step_with_all: float = Field(default=0.35, gt=0, le=1)
    in_step_slowly: float = Field(default=0.5, gt=0, le=1)
    in_step_asked: float = Field(default=0.75, gt=0, le=1)
    contrast: float = Field(default=0.15, ge=0, le=1)
    large_part: float = Field(default=0.35, gt=0, le=1)
    large_swing: float = Field(default=0.5, gt=0, le=1)
    noisy_from: int = Field(default=3, ge=1, le=1000)
    falls_by: float = Field(default=0.5, gt=0, le=1)
    judged_within: int = Field(default=2, ge=1, le=100)
    rest_s: float = Field(default=86_400, ge=0, le=31_536_000)
    kept_s: float = Field(default=604_800, ge=0, le=31_536_000)

    @property
    def confirming(self) -> float:
        """By how much stall has to fall after a separation, for a pair that just was evidence to be confirmed."""
        return self.falls_by * self.score_from

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.lasts > self.windows:
            raise ValueError(f"lasts is {self.lasts}, more than the {self.windows} windows that are looked at")
        if self.still_lasts > self.lasts:
            raise ValueError(f"still_lasts is {self.still_lasts}, more than lasts, {self.lasts}: a pair would flap")
        if self.score_until > self.score_from:
            raise ValueError(f"score_until is {self.score_until}, more than score_from, {self.score_from}")
