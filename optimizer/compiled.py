"""How kernels are compiled: without the interpreter lock, and kept in a cache beside the source (or the user's)."""

from __future__ import annotations

from contextlib import suppress
from pickle import UnpicklingError
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
    return _jit(function)


def inlined(function: F) -> F:
    """Compile a part of a kernel that becomes part of each caller."""
    return _jit(function, forceinline=True)


def _jit(function: F, **more: bool) -> F:
    options = OPTIONS | more
    try:
        kernel = njit(**options)(function)
    except RuntimeError:  # there is no directory that may be written to: each process compiles for itself
        return cast("F", njit(**(options | {"cache": False}))(function))
    if hasattr(kernel, "_cache"):  # plain Python where numba is switched off
        _keep_if_possible(kernel._cache)
    return cast("F", kernel)


def _keep_if_possible(cache: Any) -> None:
    """Let a kernel that cannot be kept (a disk is full) be used all the same."""
    save = cache.save_overload

    def quietly(*what: object) -> None:
        with suppress(OSError):
            save(*what)

    cache.save_overload = quietly


def is_cached(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel needs no compiling: it was by this process, or is in the cache (or is plain Python anyway).

    What the cache has of another source, another version of numba or another processor does not count.
    """
    if not hasattr(kernel, "stats") or kernel.signatures:  # type: ignore[attr-defined]
        return True
    file = getattr(kernel._cache, "_cache_file", None)  # type: ignore[attr-defined]
    try:
        known = {} if file is None else file._load_index()
    except (OSError, ValueError, EOFError, UnpicklingError):  # cut off, say
        return False
    return any(key[1] == kernel.targetctx.codegen().magic_tuple() for key in known)  # type: ignore[attr-defined]


def is_ready(kernel: Callable[..., Any], wall_s: float, compiling_s: float) -> bool:
    """Whether a kernel is compiled, or there is time to do that."""
    return wall_s >= compiling_s or is_cached(kernel)
