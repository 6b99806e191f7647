"""Who overfills a host: what each VM asked for, what the host had, and what the others would have waited without it.

Where stall is vCPU wait, cores are all that a VM waits for, and a scheduler leaves none idle while somebody waits. So
what a VM asked for is known, waiting included, and so is what would have been left without it: no regression is needed,
and a host that is full all the time, on which nobody's use varies, tells as much as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.signals.interference.design import filled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.signals.interference.design import Design
    from optimizer.signals.interference.series import HostSeries
    from optimizer.signals.interference.settings import Settings

__all__ = ["Account", "account_of", "accountable"]

ACCOUNTED = "cpu_steal"
"""The kind whose stall is a share of vCPU time; a PSI `some` or a disk's latency cannot be added to use."""

MOST = 0.98
"""The quantile of what a host delivered that counts as all it has: a sample that was filled in may be too high."""

FULL = 0.85
"""The share of that from which on it counts as full."""

WAITS = 0.02
"""The share of what is asked for that waits, below which nothing is attributed."""

WIDTH = 0.95
"""The quantile of use / (1 - stall) that is taken for a VM's vCPUs: a VM that runs all the time is as wide as that."""

RUNS = 0.02
"""Samples in which a VM used less than this share of its most say nothing of its width."""

STEADY = 0.25
"""What a VM asks for is steady if its deviation is below this share of its mean."""

KNOWN = 5
"""Samples that a window needs at least."""

NEVER_ALL = 0.9
"""What waits is at most this share of what is asked for: a host always delivers something."""


class Account(NamedTuple):
    """The account of a host; arrays are [suffers, noisy].

    `cost` is float64 [V, V], `by_window` [n, V, V], `p` [V]: the chance that stall of a victim goes with the crowd on
    its host by accident; `in_step` bool [V].
    """

    cost: NDArray[np.float64]
    by_window: NDArray[np.float64]
    p: NDArray[np.float64]
    in_step: NDArray[np.bool_]


class Books(NamedTuple):
    """By sample: stall, what was asked for, what of it waited [T, V]; asked for by all, delivered, known, full [T]."""

    stall: NDArray[np.float64]
    asked: NDArray[np.float64]
    waits: NDArray[np.float64]
    by_all: NDArray[np.float64]
    had: NDArray[np.float64]
    known: NDArray[np.bool_]
    full: NDArray[np.bool_]


def accountable(series: HostSeries) -> bool:
    """Whether there is an account of a host: stall is vCPU wait, which can be added to use."""
    return series.kind == ACCOUNTED


def account_of(design: Design, lag: int, settings: Settings, draws: NDArray[np.float64]) -> Account:
    """Return what each VM costs each other by the account of the host's cores."""
    n, vms = design.present.shape
    books = _books(design, lag, settings)
    there = (books.known.reshape(n, -1).sum(axis=1)[:, None] * design.present)[:, :, None]
    lost = np.where(books.known[:, None], books.stall, 0.0).reshape(n, -1, vms)
    sums = lost.transpose(0, 2, 1) @ _relief(books).reshape(n, -1, vms)
    sums[:, np.arange(vms), np.arange(vms)] = 0.0
    by_window = np.where(there >= KNOWN, sums / np.maximum(there, 1), 0.0)
    cost, in_step = sums.sum(axis=0) / np.maximum(there.sum(axis=0), 1), _in_step(books, design.alone, settings)
    candidates = (cost[:, ~in_step] >= settings.score_until).any(axis=1)
    return Account(cost, by_window, _chance(books, design, candidates, draws), in_step)


def _books(design: Design, lag: int, settings: Settings) -> Books:
    vms = design.present.shape[1]
    use, there = design.columns[:, :vms], np.repeat(design.present, design.window, axis=0)
    late = np.full(use.shape, np.nan)
    stall = np.where(design.stall_known, design.stall, np.nan)
    end = len(late) - abs(lag)
    late[max(-lag, 0) : max(-lag, 0) + end] = stall[max(lag, 0) : max(lag, 0) + end]
    stall = filled(late, settings.gap)
    known = design.row_known & (np.isfinite(stall) | ~there).all(axis=1)
    stall = np.where(there & known[:, None], np.nan_to_num(stall), 0.0)
    waits = stall * _width(use, stall, there & known[:, None])
    asked = np.where(known[:, None], use, 0.0) + waits
    had = use.sum(axis=1) + design.beyond
    share = np.minimum(waits.sum(axis=1) / np.maximum(asked.sum(axis=1), 1e-300), NEVER_ALL)
    by_all = asked.sum(axis=1) + design.beyond / (1.0 - share)
    most = np.quantile(had[known], MOST) if known.any() else 0.0
    full = known & (had >= FULL * most) & (1.0 - had / np.maximum(by_all, 1e-300) > WAITS)
    return Books(stall, asked, waits, by_all, had, known, full)


def _width(use: NDArray[np.float64], stall: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return float64 [V]: the vCPUs of each VM, in the unit of its use, as far as it ever filled them."""
    runs = known & (use > RUNS * use.max(axis=0))
    wide = np.sort(np.where(runs, use / np.maximum(1.0 - stall, 0.05), np.inf), axis=0)
    last = np.maximum(np.ceil(WIDTH * runs.sum(axis=0)).astype(np.int64) - 1, 0)
    return np.where(runs.any(axis=0), wide[last, np.arange(use.shape[1])], 0.0)


def _relief(books: Books) -> NDArray[np.float64]:
    """float64 [T, V]: the share of all waiting that would not be, were a VM not there; 0 where the host is not full."""
    had, by_all, full = books.had, np.maximum(books.by_all, 1e-300), books.full
    without = np.maximum(1.0 - had[:, None] / np.maximum(by_all[:, None] - books.asked, 1e-300), 0.0)
    share = 1.0 - without / np.where(full, 1.0 - had / by_all, 1.0)[:, None]
    return np.where(full[:, None], np.clip(share, 0.0, 1.0), 0.0)


def _in_step(books: Books, alone: NDArray[np.bool_], settings: Settings) -> NDArray[np.bool_]:
    """Return bool [V]: what a VM asks for, or uses, moves with what all others do, and is no large part of it.

    A VM never asks for more than its vCPUs: where a host is full nearly all the time, all ask for all they can nearly
    all the time, and that they do it at once shows in no correlation. Nor can what is steady be seen to go its own way.
    What is a large part of all, or of its ups and downs, is what the others are in step with.
    """
    asked, by_all = books.asked[books.known], books.by_all[books.known]
    if len(asked) < 2:
        return np.ones(books.asked.shape[1], np.bool_)
    mean = asked.mean(axis=0)
    own = asked - mean
    others = (by_all[:, None] - asked) - (by_all.mean() - mean)
    spread = np.sqrt((own**2).mean(axis=0))
    length = spread * np.sqrt((others**2).mean(axis=0))
    like = (own * others).mean(axis=0) / np.where(length > 0, length, 1.0)
    steady = spread < STEADY * mean
    large = (mean >= settings.large_part * by_all.mean()) | (~steady & (spread >= settings.large_swing * by_all.std()))
    always_full = books.full.sum() > (1.0 - settings.contrast) * len(asked)
    return np.asarray((always_full | ~alone | steady | (like > settings.in_step_asked)) & ~large, np.bool_)


def _chance(
    books: Books, design: Design, candidates: NDArray[np.bool_], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64 [V]: the share of circular shifts under which a victim waits as closely when all others do.

    A VM waits for cores when others do; one that is held back by its own quota, or by a lock, does not.
    """
    n, vms = design.present.shape
    out = np.ones(vms)
    for v in np.flatnonzero(candidates):
        others = np.delete(np.arange(vms), v)
        asked, waits = books.asked[:, v], books.waits[:, v]
        runs = books.known & (asked > RUNS * asked.max())
        own = _within(waits / np.maximum(asked, 1e-300), runs, n)
        crowd_asked = books.asked[:, others].sum(axis=1)
        crowd = _within(books.waits[:, others].sum(axis=1) / np.maximum(crowd_asked, 1e-300), books.known, n)
        out[v] = _shifted(own, crowd, draws)
    return out


def _within(series: NDArray[np.float64], known: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """float64 [n, L]: centred within each window; 0 where not known."""
    values, there = series.reshape(n, -1), known.reshape(n, -1)
    mean = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(there, values - mean[:, None], 0.0)


def _shifted(own: NDArray[np.float64], crowd: NDArray[np.float64], draws: NDArray[np.float64]) -> float:
    """Return the share of shifts, each window's for itself, that bring two series as close as they are."""
    n, length = own.shape
    spectrum = np.conj(np.fft.rfft(own, axis=1)) * np.fft.rfft(crowd, axis=1)
    moments = np.fft.irfft(spectrum, n=length, axis=1)
    seen = float(moments[:, 0].sum())
    at = 2 + (draws * (length - 3)).astype(np.int64)
    by_chance = moments[np.arange(n), at].sum(axis=1)
    as_well = int((by_chance >= seen).sum()) if seen > 0.0 else len(draws)
    return (as_well + 1.0) / (len(draws) + 1.0)
