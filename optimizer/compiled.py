"""How kernels are compiled: without the interpreter lock, and kept in a cache beside the source (or the user's)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "inlined", "is_cached", "is_ready"]

F = TypeVar("F", bound="Callable[..., Any]")

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
OPTIONS["fastmath"] = {"reassoc", "nsz", "nnan", "contract"}  # sums of whole numbers below 2**53: exact in any order
"""Kernels allocate nothing, so they need no reference counts: counting made each proposal ten times slower."""


def compiled(function: F) -> F:
    """Compile a kernel."""
    return cast("F", njit(**OPTIONS)(function))


def inlined(function: F) -> F:
    """Compile a part of a kernel that becomes part of each caller."""
    return cast("F", njit(forceinline=True, **OPTIONS)(function))


def is_cached(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel needs no compiling, as far as the names in the cache tell (or is plain Python anyway)."""
    if not hasattr(kernel, "stats"):
        return True
    code = kernel.__code__
    names = f"*.{kernel.__name__}-{code.co_firstlineno}.py*.nbi"
    return any(Path(kernel.stats.cache_path).glob(names))


def is_ready(kernel: Callable[..., Any], wall_s: float, compiling_s: float) -> bool:
    """Whether a kernel is compiled, or there is time to do that."""
    return wall_s >= compiling_s or is_cached(kernel)
