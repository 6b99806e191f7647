"""`remora run`: the periodic run."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import json_option, load_config, load_configured_policy, say
from commands.path_types import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from optimizer.clock import Clock
    from optimizer.service.ending import Ending
    from optimizer.service.events import Everybody
    from optimizer.service.periodic import Periodic, Triggers
    from optimizer.service.record import Cycle
    from optimizer.service.service import Service

__all__ = ["command", "config_option"]

config_option = click.option(
    "--config",
    type=SETTINGS,
    default="remora.yaml",
    show_default=True,
    envvar="REMORA_CONFIG",
    metavar="FILE",
    help="The configuration (also REMORA_CONFIG).",
)


@click.command("run")
@config_option
@click.option("--once", is_flag=True, help="Make one cycle, print what came of it, and end.")
@json_option
def command(config: Path, once: bool, as_json: bool) -> Exit:
    """Read, watch, plan, carry out and record, every few minutes, until it is told to end.

    How far it goes by itself stands in the configuration (automation: observe, propose, approve, act); by default
    it only observes. SIGHUP starts a cycle now. SIGTERM ends it: nothing more is submitted, and moves in flight are
    awaited for a while.
    """
    import os
    from random import Random

    from optimizer.clock import SystemClock
    from optimizer.service.config import service_config
    from optimizer.service.ending import Ending
    from optimizer.service.events import Everybody
    from optimizer.service.evidence import never_attributed
    from optimizer.service.found_late import found_late
    from optimizer.service.logs import LogPart, open_logs
    from optimizer.service.memory import GivesBack
    from optimizer.service.notify.opening import notifying
    from optimizer.service.planner import warm_up
    from optimizer.service.reading import ConfiguredReader
    from optimizer.service.service import Service

    if as_json and not once:
        raise click.UsageError(
            "--json is for --once: the service itself logs (section log)", click.get_current_context()
        )
    settings = service_config(load_config(config))
    policy = load_configured_policy(settings)
    clock = SystemClock()
    ending = Ending(clock, settings.cycle.stop_s)
    logs = open_logs(settings.config.section("log", LogPart), sys.stderr)
    told = Everybody([logs, GivesBack()])
    edges: dict[str, Any] = {
        "clock": clock,
        "rng": Random(),
        "environment": os.environ,
        "machine": socket.gethostname(),
    }
    read = ConfiguredReader(settings.config, clock, os.environ, settings.ledger, settings.cycle.read_s)
    service = Service(settings, policy, read, ending, told, **edges)
    cycle = settings.cycle
    holds_s, run_s = cycle.alert_holds_s, cycle.execute_s + cycle.stop_s
    notified = notifying(settings.config, told, clock, Random(), os.environ, settings.state, holds_s, run_s)
    with service, notified, Signals(ending, service.triggers):
        for line in found_late(settings, once=once):
            logs.logger.warning("found late", detail=line)
        if why := never_attributed(settings.config):
            logs.logger.warning("problem", where="interference", detail=why)
        if once:
            return _once(service.periodic, as_json)
        with _endpoint(service, told, clock, os.environ) as address:
            began = clock.monotonic()
            level = settings.automation.level
            for one in warm_up(policy, ending, clock, compiling=level.plans):
                (logs.logger.info if one.ready else logs.logger.warning)("kernels", search=one.search, detail=str(one))
            warm = {"warm_s": round(clock.monotonic() - began, 1), "metrics": address, "driver": settings.driver.name}
            logs.logger.info("ready", level=level.value, **warm)
            service.periodic.run()
    logs.logger.info("ended")
    return Exit.DONE


@contextmanager
def _endpoint(service: Service, told: Everybody, clock: Clock, environ: Mapping[str, str]) -> Iterator[str]:
    """Serve metrics where the configuration says so; yields the address."""
    from importlib.metadata import version

    from optimizer.service.endpoint import MetricsPart, serving
    from optimizer.service.metrics import Metrics
    from optimizer.service.tokens import read_token

    config = service.settings.config
    part = config.section("metrics", MetricsPart)
    if not part.listen:
        yield ""
        return
    metrics = Metrics(clock, version("remora"), service.settings.automation.level.value)
    told.add(metrics)
    token = read_token(config, "metrics", part, environ)
    with serving(part.listen, metrics, service.ill, service.periodic.want, token) as address:
        yield address


def _once(periodic: Periodic, as_json: bool) -> Exit:
    """Make one cycle; an error in it is said as any other command's."""
    from optimizer.errors import SafetyStop
    from optimizer.report.cycles_page import cycles_page

    cycle = periodic.once()
    if periodic.error is not None and not isinstance(periodic.error, SafetyStop):
        raise periodic.error
    say(as_json, lambda: cycle, lambda: cycles_page([as_row(cycle)]))
    return exit_of(cycle)


def as_row(cycle: Cycle) -> Any:
    """Return a cycle as the ledger has it."""
    from optimizer.execute.ledger.watch_records import Cycle as Row

    return Row(
        cycle.fleet,
        cycle.number,
        cycle.trigger,
        cycle.by,
        cycle.started_at,
        cycle.ended_at,
        cycle.outcome.value,
        cycle.plan or None,
        cycle.counts,
        cycle.detail,
        cycle.epoch,
    )


def exit_of(cycle: Cycle) -> Exit:
    """Return what a cycle's outcome is called as an exit code."""
    from optimizer.service.record import Outcome

    if cycle.outcome in (Outcome.CLEAN, Outcome.DONE):
        return Exit.ATTENTION if cycle.counts.get("remaining") else Exit.DONE
    codes = {Outcome.NO_PLAN: Exit.NO_PLAN_IN_TIME, Outcome.STOPPED: Exit.STOPPED}
    return codes.get(cycle.outcome, Exit.ATTENTION)


class Signals:
    """SIGTERM and SIGINT end the service, SIGHUP starts a cycle; handlers only note it, and take no lock."""

    def __init__(self, ending: Ending, triggers: Triggers) -> None:
        self._ending, self._triggers = ending, triggers
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        acts: dict[signal.Signals, Callable[..., None]] = {
            signal.SIGTERM: lambda *_: self._ending.ask("SIGTERM"),
            signal.SIGINT: lambda *_: self._ending.ask("SIGINT"),
            signal.SIGHUP: lambda *_: self._triggers.pull("SIGHUP"),
        }
        self._before = {number: signal.signal(number, act) for number, act in acts.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
