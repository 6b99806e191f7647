"""What was allocated in each pool, as a Prometheus remembers it: the section `growth` of a configuration."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.prometheus.answers import Unclear
from optimizer.prometheus.asking import ask_all, ask_range
from optimizer.prometheus.server import open_server
from optimizer.signals.config import SignalsPart
from optimizer.signals.reading import prometheus_of
from optimizer.similar import similar
from optimizer.sources.config_yaml import STRICT
from optimizer.sources.history_csv import Past, refuse_late

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.prometheus.answers import Matrix
    from optimizer.sources.config_yaml import Config

__all__ = ["GrowthPart", "read_past"]

DAY_S = 86_400
MOST_POINTS = 11_000
"""Prometheus gives no more for one series."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GrowthPart:
    """How a Prometheus is asked what was allocated.

    Parameters
    ----------
    queries
        By resource of the fleet: what was allocated of it, in the resource's own unit.
    pool_label
        The label that names the pool, where there are several.
    days, step_s
        How far back, and how often.
    """

    queries: dict[str, Annotated[str, Field(min_length=1, max_length=10_000)]] = Field(default_factory=dict)
    pool_label: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)] = "pool"
    days: Annotated[int, Field(ge=14, le=3650)] = 90
    step_s: Annotated[int, Field(ge=300, le=DAY_S)] = 21_600
    deadline_s: Annotated[float, Field(ge=0.1, le=3600)] = 60.0

    @model_validator(mode="after")
    def _few_enough(self) -> Self:
        if self.days * DAY_S // self.step_s > MOST_POINTS:
            raise ValueError(f"days and step_s that make at most {MOST_POINTS:,} values of a series")
        return self


def read_past(
    config: Config,
    resources: Sequence[str],
    pools: Sequence[str],
    taken_at: datetime,
    clock: Clock,
    environ: Mapping[str, str],
) -> list[Past]:
    """Ask for the past of each pool up to the snapshot, within the section's deadline.

    Raises
    ------
    InputError
        The section is wrong, an answer is late, unclear, of unknown pools or of nothing, or ends before the snapshot.
    """
    part = config.section("growth", GrowthPart)
    if not part.queries:
        hint = "queries: {memory_mib: 'sum(libvirt_domain_info_maximum_memory_bytes) / 2^20'}"
        raise InputError(config.where, "growth.queries", "", "a query for at least one resource", hint)
    for name in part.queries:
        if name not in resources:
            known = f"a resource: {', '.join(resources)}"
            raise InputError(config.where, f"growth.queries.{name}", name, known, similar(name, resources))
    asked = prometheus_of(config, config.section("signals", SignalsPart))
    server = open_server(config.where, "signals.prometheus", asked, environ)
    start, names = taken_at - timedelta(days=part.days), list(part.queries)
    asks = [
        partial(
            lambda query, left_s: ask_range(server, clock, query, left_s, start, taken_at, part.step_s),
            part.queries[name],
        )
        for name in names
    ]
    found = []
    for name, said in zip(names, ask_all(asks, clock, part.deadline_s), strict=True):
        where = f"growth.queries.{name}"
        if isinstance(said, Unclear):
            raise InputError(config.where, where, str(said), "an answer of Prometheus")
        found += _pasts(said, name, part.pool_label, pools, (config.where, where))
    for past in found:
        refuse_late(past, taken_at, config.where)
    return found


def _pasts(said: Matrix, resource: str, label: str, pools: Sequence[str], at: tuple[str, str]) -> list[Past]:
    """Return a past for each pool of which there is a series."""
    if not len(said):
        raise InputError(*at, "no series", "values of the days before the snapshot")
    if len(pools) == 1 and len(said) > 1:
        raise InputError(*at, f"{len(said):,} series", "one series for the whole fleet", "sum(...)?")
    found: dict[str, Past] = {}
    for labels, times, values in zip(said.labels, said.times, said.values, strict=True):
        pool = pools[0] if len(pools) == 1 else labels.get(label, "")
        if pool not in pools:
            expected = f"a label {label} that is a pool: {', '.join(pools[:8])}"
            raise InputError(
                *at, f"{label}={pool}" if pool else "none", expected, similar(pool, pools) or f"sum by ({label})?"
            )
        if pool in found:
            raise InputError(*at, f"two series of pool {pool}", "one series for each pool", f"sum by ({label}) (...)?")
        there = ~np.isnan(values)
        if (values[there] < 0).any() or np.isinf(values).any():
            raise InputError(*at, f"a value below 0 or without end (pool {pool})", "what was allocated")
        if there.any():
            found[pool] = Past(pool, resource, times[there].tolist(), values[there].tolist())
    return list(found.values())
