"""How fast VMs come and go, by flavour: what a past would say, for who has none, or knows better.

A YAML or JSON file::

    format: remora-rates/1
    rates:
      - flavour: cpu=4,memory=16GiB,disk=100GiB
        per_day: 2.5
      - flavour: cpu=2,memory=4GiB
        per_day: -1
        pool: r1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import NAME
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, exactly, real, similar, text
from optimizer.sources.request import flavour
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["RATES", "RATES_FORMAT", "Rate", "read_rates"]

RATES_FORMAT = "remora-rates/1"
MOST_PER_DAY = 1e6

RATES = Record(
    "rates",
    {
        "format": Field(exactly(RATES_FORMAT), "the format's tag"),
        "rates": Field(
            Listing(
                Record(
                    "rate",
                    {
                        "flavour": Field(text(1024, what="a size"), "what one VM takes: cpu=4,memory=16GiB"),
                        "per_day": Field(
                            real(-MOST_PER_DAY, MOST_PER_DAY), "how many VMs come a day; below 0: how many go"
                        ),
                        "pool": Field(NAME, "the pool to which they come; may be left out where there is one", None),
                    },
                ),
                1,
            ),
            "how fast VMs come and go",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Rate:
    """VMs of one size that come to a pool, or leave it: `per_day` of them, each taking `demand` (whole units)."""

    pool: str
    demand: Mapping[str, int]
    per_day: float


def read_rates(path: Path | str, resources: Sequence[str], pools: Sequence[str]) -> list[Rate]:
    """Read rates for the pools of a fleet with these resources.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    where = str(path)
    asked = load_yaml(read_bytes(path), where)
    check_plain(asked, where)
    checked = check_format(asked, RATES_FORMAT, where)
    check(RATES, checked, where)
    return [_rate(one, resources, pools, where, f"rates[{i}]") for i, one in enumerate(checked["rates"])]


def _rate(one: dict[str, Any], resources: Sequence[str], pools: Sequence[str], where: str, at: str) -> Rate:
    pool: str = one.get("pool", pools[0] if len(pools) == 1 else "")
    if pool not in pools:
        hint = similar(pool, pools) if pool else "each rate says which"
        raise InputError(where, f"{at}.pool", pool, f"a pool: {', '.join(pools[:8])}", hint)
    document = {"resources": [{"name": name} for name in resources]}
    demand = flavour(one["flavour"], document, f"{where}: {at}.flavour")["vms"][0]["demand"]
    return Rate(pool, demand, float(one["per_day"]))
