"""What of a reason stays while its cause stays: without the counts, ages, values and plans in it, which vary."""

from __future__ import annotations

import re

__all__ = ["cause"]

AMOUNT, FRACTION = r"\d[\d.,]* ?(%|(s|min|h|d|VMs?|hosts?)\b|(?=of \d))", r"\d+\.\d+(e[+-]?\d+)?(?![\w.])"
NUMBERS = re.compile(rf"((?<![\w.-])-?({AMOUNT}|{FRACTION}) ?)+|(?<=\[)\d+(?=\])|\bplan-[0-9a-f]{{16}}\b")
"""What varies while a cause stays: ages, counts, values, places in lists, ids of plans; other numbers may be names."""
QUOTED = re.compile(r"('[^']*')")


def cause(text: str) -> str:
    """Return what of a reason stays while it stays; what stands in quotes is a name."""
    parts = QUOTED.split(text)
    return "".join(part if i % 2 else NUMBERS.sub("", part) for i, part in enumerate(parts))
