"""Asks a Prometheus what the monitors want to know; the only thing here that waits for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.monitors import reading
from optimizer.prometheus.answers import Unclear
from optimizer.prometheus.asking import ask_all, ask_instant
from optimizer.prometheus.server import open_server
from optimizer.signals.config import SignalsPart
from optimizer.signals.reading import prometheus_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.monitors.reading import Answer, Monitor
    from optimizer.policy import Policy
    from optimizer.prometheus.answers import Vector
    from optimizer.prometheus.asking import Asking
    from optimizer.prometheus.server import Server
    from optimizer.sources.config_yaml import Config

__all__ = ["answers_for", "ask_for", "queries_of", "server_of"]


def queries_of(monitors: Iterable[Monitor]) -> tuple[str, ...]:
    """Return what has to be asked, each query once."""
    return tuple(dict.fromkeys(query for monitor in monitors for query in monitor.queries()))


def ask_for(
    monitors: Iterable[Monitor], server: Server, clock: Clock, within_s: float, at: datetime | None = None
) -> dict[str, Answer]:
    """Ask every query of the monitors, with one deadline over all; what is unclear says why, and is never a number.

    Parameters
    ----------
    at
        Of what time; now, where none is given.
    """
    queries = queries_of(monitors)

    def asking(query: str) -> Callable[[float], Asking[Vector]]:
        return lambda left: ask_instant(server, clock, query, left, at)

    said = ask_all([asking(query) for query in queries], clock, within_s)
    return {query: _answer(one) for query, one in zip(queries, said, strict=True)}


def answers_for(
    monitors: Iterable[Monitor],
    config: Config | None,
    policy: Policy,
    clock: Clock,
    environ: Mapping[str, str],
    within_s: float,
    url: str = "",
) -> dict[str, Answer]:
    """Ask what the monitors want to know, where there is a Prometheus to ask; nothing where nothing is to be asked.

    Raises
    ------
    InputError
        It cannot be asked as the configuration says.
    """
    if not queries_of(monitors):
        return {}
    server = server_of(config, policy, environ, url)
    return {} if server is None else ask_for(monitors, server, clock, within_s)


def server_of(config: Config | None, policy: Policy, environ: Mapping[str, str], url: str = "") -> Server | None:
    """Return the Prometheus to ask, of section `signals` or else of the policy's `execution`; None where none is named.

    Parameters
    ----------
    url
        The address, instead of what either says.

    Raises
    ------
    InputError
        Its secret or certificates are not there, or the package that asks is not installed.
    """
    if config is not None and config.has("signals"):
        part = config.section("signals", SignalsPart)
        if part.prometheus.url:
            return open_server(config.where, "signals.prometheus", prometheus_of(config, part), environ, url)
    asked = policy.execution.prometheus
    if not (url or asked.url):
        return None
    return open_server(policy.where, "execution.prometheus", asked, environ, url)


def _answer(said: Vector | Unclear) -> Answer:
    if isinstance(said, Unclear):
        return reading.Unclear(str(said))
    return reading.Samples(list(zip(said.labels, said.values.tolist(), strict=True)))
