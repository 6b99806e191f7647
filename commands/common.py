"""What the commands share: arguments and options, reading fleets and policies, printing pages and documents."""

from __future__ import annotations

import gc
import sys
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.path_types import FILE, InputName, KeptFile, NewFile
from commands.streams import to_nowhere, unwritable
from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from optimizer.caution import Caution
    from optimizer.clock import Clock
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.report.page import Page
    from optimizer.service.config import ServiceConfig
    from optimizer.sources.config_yaml import Config

__all__ = [
    "FILE",
    "SHARE",
    "KeptFile",
    "Moment",
    "NewFile",
    "Whole",
    "began_at",
    "fleet_argument",
    "json_option",
    "load_config",
    "load_configured_policy",
    "load_fleet",
    "load_laid",
    "load_plan",
    "load_policy",
    "overlay_option",
    "policy_option",
    "refuse_or_warn",
    "say",
    "say_json",
    "say_text",
    "seconds_left",
    "seed_option",
    "tell_fleet_written",
    "tell_written",
    "time_limit_option",
    "warn",
    "warn_of",
    "warn_of_groups",
    "warned",
    "with_warnings",
    "workers_option",
    "write_json",
    "write_text",
]

DEFAULT_POLICY = "default"
DAY = 86400
WARNINGS = "remora.warnings"


fleet_argument = click.argument("fleet", type=FILE)


def _policy_path(name_or_path: str) -> Path:
    from constraints import SHIPPED

    return SHIPPED.get(name_or_path, Path(name_or_path))


policy_option = click.option(
    "--policy",
    "policy_name",
    type=InputName(_policy_path),
    default=DEFAULT_POLICY,
    metavar="NAME|PATH",
    show_default=True,
    help="A policy that ships with Remora, or a file.",
)
overlay_option = click.option(
    "--overlay",
    type=FILE,
    metavar="FILE",
    help="What the snapshot does not say of hosts and VMs (YAML): groups, labels, state, mobility, maintenance, names.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class Moment(click.ParamType["datetime"]):
    """A time as the documents write it, with an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Refuse what is no such time."""
        from optimizer.sources.kinds import parse_time

        at = parse_time(str(value))
        if at is None:
            self.fail(f"{value!r} is not a time with an offset, such as 2026-11-21T12:00:00Z", param, ctx)
        return at


class Number(click.ParamType[float]):
    """A number that `fits`, as NaN never does; `wanted` says in an error what would have been one."""

    def __init__(self, name: str, fits: Callable[[float], bool], wanted: str) -> None:
        self.name, self.fits, self.wanted = name, fits, wanted

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse what is no such number."""
        try:
            number = float(value)
        except ValueError:
            number = nan
        if not self.fits(number):
            self.fail(f"{value!r} is not {self.wanted}", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number from `min` to `max`, in words of people; click's say ``0<=x<=9`` and "integer range"."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Refuse what is no such number."""
        try:
            number = int(str(value))
        except ValueError:
            number = None
        if number is None or not (self.min or 0) <= number <= (self.max or number):
            self.fail(f"{value!r} is not a whole number from {self._describe_range()}", param, ctx)
        return number

    def _describe_range(self) -> str:
        """Say the range as the help shows it."""
        return f"{self.min} to {self.max}"


SECONDS = Number("seconds", lambda s: 0 < s <= DAY, f"a number of seconds above 0, at most {DAY}")
SHARE = Number("share", lambda s: 0 <= s < 1, "a number from 0 up to, but not including, 1; 5 % is 0.05")


time_limit_option = click.option(
    "--time-limit", type=SECONDS, default=30.0, show_default=True, metavar="S", help="Seconds for the whole answer."
)
workers_option = click.option(
    "--workers", type=Whole(1, 256), default=2, show_default=True, help="Threads of the solver."
)
seed_option = click.option("--seed", type=Whole(0, 2**31 - 1), default=0, show_default=True, help="Random seed.")


LEAST_SHARE, LOADING_S = 0.4, 1.0
"""Share of a time limit, beyond what loading takes, that a search gets at least, however long it took to read."""

LEAST_OF_ALL = 0.1
"""Share of a time limit that a search gets in any case."""


def began_at(clock: Clock) -> float:
    """Return when the process was started, on the clock; where it is only called by another, this moment."""
    known = click.get_current_context().find_root().obj
    return float(known["began"]) if isinstance(known, dict) and "began" in known else clock.monotonic()


def seconds_left(limit: float, began: float, clock: Clock, *, counted: bool) -> float:
    """Return what is left of a time limit for the whole process; all of it where work is what is `counted`."""
    least = max(LEAST_OF_ALL * limit, LEAST_SHARE * (limit - LOADING_S))
    return limit if counted else max(limit - (clock.monotonic() - began), least)


def load_fleet(path: Path, overlay: Path | None = None) -> Fleet:
    """Read a fleet, with an overlay if there is one."""
    return load_laid(path, overlay)[0]


def load_laid(path: Path, overlay: Path | None = None) -> tuple[Fleet, dict[str, Any], dict[str, Any]]:
    """Read a fleet, and keep the document of its file, and the one with the overlay, of which the fleet is made."""
    from optimizer.sources import fleet_json

    fleet, document = fleet_json.read_fleet_document(path)
    gc.freeze()  # it stays to the end: to look through a large fleet for garbage, again and again, takes long
    if overlay is None:
        return fleet, document, document
    from optimizer.sources.overlay import apply_overlay

    laid = apply_overlay(document, overlay, lambda c: warn([c]))
    return fleet_json.fleet_from_document(laid, str(path)), document, laid


def load_policy(name_or_path: str) -> Policy:
    """Read a policy by the name of a shipped one or from a file."""
    from constraints import CATALOGUE, SHIPPED
    from optimizer.sources.policy_yaml import read_policy

    return read_policy(name_or_path, CATALOGUE, SHIPPED)


def load_config(path: Path | None, unnamed: str = "") -> Config:
    """Read a configuration whole, so that no command is content with a file that another refuses.

    Parameters
    ----------
    path
        Its file; None for one that says nothing, which messages call `unnamed`.
    """
    from optimizer.service.sections import read_checked
    from optimizer.sources.config_yaml import config_from_document

    return config_from_document({}, unnamed) if path is None else read_checked(path)


def load_configured_policy(settings: ServiceConfig) -> Policy:
    """Read the policy that a configuration names.

    Raises
    ------
    InputError
        There is none of that name, or it is wrong.
    """
    from constraints import SHIPPED
    from optimizer.similar import similar

    name = settings.policy
    if name not in SHIPPED and not Path(name).is_file():
        hint = similar(name, SHIPPED) or f"shipped: {', '.join(sorted(SHIPPED))}"
        expected = "the name of a policy that ships, or a file that can be read"
        raise InputError(settings.config.where, settings.field("policy"), name, expected, hint)
    return load_policy(name)


def refuse_or_warn(fleet: Fleet, policy: Policy) -> None:
    """Hold a policy against a fleet: refuse names that match nothing and facts that are missing, warn of what is odd.

    Warnings go to standard error, and into the document that `say` prints.

    Raises
    ------
    InputError
        The policy names what the fleet does not have, or requires a fact that it lacks.
    """
    from optimizer.sources.policy_yaml import missing_required

    missing_required(policy, fleet)
    warn_of(fleet, policy)


def warn_of(fleet: Fleet, policy: Policy | None = None) -> None:
    """Warn of what is odd about a fleet, and of what a policy names in vain where that is no error.

    Raises
    ------
    InputError
        The policy names what the fleet does not have.
    """
    from optimizer.cautions import cautions, doubts_of, refuse_unknown_names
    from optimizer.clock import SystemClock

    now = SystemClock().now()
    if policy is None:
        warn(doubts_of(fleet, now))
    else:
        refuse_unknown_names(fleet, policy)
        warn(cautions(fleet, policy, now))


def warn_of_groups(fleet: Fleet) -> None:
    """Warn of groups that may be slips, in a fleet to which a request has added VMs."""
    from optimizer.caution import Caution
    from optimizer.fleet.plausible import misspelt_groups

    warn(Caution(*doubt) for doubt in misspelt_groups(fleet))


def warn(found: Iterable[Caution]) -> None:
    """Say what is doubtful: a line each on standard error, and in the document that `say` prints; each once."""
    from optimizer.report.words import clean

    kept = click.get_current_context().meta.setdefault(WARNINGS, [])
    for caution in found:
        if caution not in kept:
            kept.append(caution)
            click.echo(clean(f"remora: warning: {caution}"), err=True)


def warned() -> tuple[Caution, ...]:
    """Return what this command has warned of until now."""
    return tuple(click.get_current_context().meta.get(WARNINGS, ()))


def load_plan(path: Path, fleet: Fleet) -> Plan:
    """Read a plan that speaks of this fleet's VMs and hosts.

    Raises
    ------
    InputError
        If it is no plan, or names a VM or a host that the fleet does not have.
    """
    from optimizer.sources.plan_json import read_plan

    plan = read_plan(path)
    for i, move in enumerate(plan.moves):
        for field, name, known in (
            ("vm", move.vm, fleet.vm_index),
            ("from", move.source, fleet.host_index),
            ("to", move.target, fleet.host_index),
        ):
            if name not in known:
                hint = f"the plan is of fleet {plan.fleet}, taken at {plan.taken_at.isoformat()}"
                raise InputError(str(path), f"moves[{i}].{field}", name, f"a name of fleet {fleet.id}", hint)
    return plan


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (packed, if its name says so)."""
    from optimizer.sources.files import write_whole

    write_whole(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, document: object) -> None:
    """Write a JSON file whole or not at all (packed, if its name says so)."""
    from optimizer.sources.files import json_bytes, write_whole

    write_whole(path, json_bytes(document))


def tell_written(path: Path, what: str) -> None:
    """Say on standard error what was written where."""
    from optimizer.report.words import clean

    click.echo(clean(f"{path}: {what}"), err=True)


def tell_fleet_written(path: Path, fleet: str, hosts: int, vms: int, as_json: bool) -> None:
    """Say how large a fleet was written where; for machines on standard output as well."""
    from optimizer.report.words import count

    tell_written(path, f"fleet {fleet}, {count(hosts, 'host')}, {count(vms, 'VM')}")
    if as_json:
        say_json(with_warnings({"output": str(path), "fleet": fleet, "hosts": hosts, "vms": vms}))


def say(as_json: bool, document: Callable[[], Any], page: Callable[[], Page], rows: int | None = None) -> None:
    """Print a document for machines or a page for people, with `rows` of a table at most; only that is made."""
    if as_json:
        say_json(with_warnings(document()))
        return
    from optimizer.report.render import write_page

    _write(lambda: write_page(page(), sys.stdout, terminal=sys.stdout.isatty(), rows=rows))


def with_warnings(document: Any) -> Any:
    """Add what was warned of to a document that does not say it by itself."""
    from optimizer.report.document import as_document

    kept = click.get_current_context().meta.get(WARNINGS)
    members = as_document(document) if kept else document
    if not kept or not isinstance(members, dict) or "format" in members:
        return document  # a plan says for itself what was doubtful, and `verify` knows what that is
    return {**members, "warnings": kept}


def say_json(document: Any) -> None:
    """Print one JSON document."""
    from optimizer.report.document import to_json

    say_text(to_json(document) + "\n")


def say_text(text: str) -> None:
    """Print a text as it is."""
    _write(lambda: sys.stdout.write(text))


def _write(write: Callable[[], Any]) -> None:
    """Print; a reader that has gone away had enough, and the command goes on to its end."""
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        to_nowhere(sys.stdout)
    except OSError as error:
        to_nowhere(sys.stdout)
        raise unwritable(error) from error
