"""Parameters that note which of them are read, to show that what a caller hands in reaches what it is for."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from types import new_class
from typing import Any

__all__ = ["named", "recording"]


def named(parameters: Any, name: str = "") -> set[str]:
    """Return the names of all parameters, such as `repair.starts`."""
    out: set[str] = set()
    for f in fields(parameters):
        value = getattr(parameters, f.name)
        inner = f"{name}{f.name}"
        out |= named(value, f"{inner}.") if is_dataclass(value) else {inner}
    return out


def recording(parameters: Any, read: set[str], name: str = "") -> Any:
    """Return the same parameters, which put the name of each that is read into `read`."""
    cls: Any = parameters.__class__
    own = {f.name for f in fields(parameters)}
    values = {
        f: recording(value, read, f"{name}{f}.") if is_dataclass(value := getattr(parameters, f)) else value
        for f in own
    }

    def get(self: Any, f: str) -> Any:
        if f in own and not is_dataclass(values[f]):
            read.add(name + f)
        return object.__getattribute__(self, f)

    def reduce(_: Any) -> Any:
        return partial(cls, **{f: getattr(parameters, f) for f in own}), ()

    body = {"__slots__": (), "__getattribute__": get, "__reduce__": reduce}
    noting: Any = new_class(cls.__name__, (cls,), {}, lambda names: names.update(body))
    return noting(**values)
