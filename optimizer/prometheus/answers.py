"""What a Prometheus answered: numbers with their labels, checked to be what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Matrix", "Unclear", "Vector", "matrix", "vector"]

Labels = dict[str, str]


class Unclear(Exception):
    """There is no answer, or none that one may go on by; its text says why, without any secret."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One value of each series, at one time.

    Attributes
    ----------
    labels
        Of each series; a scalar has none.
    times
        float64 [n], seconds since 1970.
    values
        float64 [n]; what is not a number is NaN, and infinities are what they are.
    texts
        The values as they were sent.
    """

    labels: Sequence[Labels]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    texts: Sequence[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Values of each series over a time.

    Attributes
    ----------
    labels
        Of each series.
    times, values
        float64 [points of the series], for each series; where a series has a gap there is no point.
    """

    labels: Sequence[Labels]
    times: Sequence[NDArray[np.float64]]
    values: Sequence[NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.labels)

    def on_grid(self, start: float, step: float, count: int) -> NDArray[np.float64]:
        """Return float64 [count, n]: the values at ``start + i x step``; NaN where a series has none."""
        out = np.full((count, len(self.labels)), np.nan)
        for column, (times, values) in enumerate(zip(self.times, self.values, strict=True)):
            at = np.rint((times - start) / step).astype(np.int64)
            inside = (at >= 0) & (at < count)
            out[at[inside], column] = values[inside]
        return out


def vector(kind: str, result: Any) -> Vector:
    """Make a vector of a result of type vector or scalar.

    Raises
    ------
    Unclear
        It is of another type, or not shaped as one.
    """
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    elif kind != "vector":
        raise Unclear(f"a result of type {kind!r} where a vector or a scalar was asked for")
    try:
        pairs = [sample["value"] for sample in result]
        labels = [_labels(sample) for sample in result]
        times = np.array([_time(at) for at, _ in pairs], np.float64)
        texts = [text for _, text in pairs]
        values = np.array([_number(text) for text in texts], np.float64)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unclear(f"a result that is no vector of numbers ({type(error).__name__}: {error})") from error
    return Vector(labels, times, values, texts)


def matrix(kind: str, result: Any) -> Matrix:
    """Make a matrix of a result of that type.

    Raises
    ------
    Unclear
        It is of another type, or not shaped as one.
    """
    if kind != "matrix":
        raise Unclear(f"a result of type {kind!r} where a matrix was asked for")
    try:
        labels = [_labels(series) for series in result]
        pairs = [series["values"] for series in result]
        times = [np.array([_time(at) for at, _ in points], np.float64) for points in pairs]
        values = [np.array([_number(text) for _, text in points], np.float64) for points in pairs]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unclear(f"a result that is no matrix of numbers ({type(error).__name__}: {error})") from error
    return Matrix(labels, times, values)


def _labels(sample: Mapping[str, Any]) -> Labels:
    labels: Labels = sample["metric"]
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise TypeError("labels that are no texts")
    return labels


def _number(text: object) -> float:
    if not isinstance(text, str):
        raise TypeError(f"a value that is no text: {text!r:.40}")
    return float(text)


def _time(at: object) -> float:
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise TypeError(f"a time that is no number: {at!r:.40}")
    return float(at)
