"""Questions about VMs to come: how they are named on the command line, and a fleet with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.common import (
    FILE,
    fleet_argument,
    json_option,
    load_laid,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    seed_option,
    time_limit_option,
    warn_of_groups,
    workers_option,
)
from commands.report import report_option
from commands.whatif_question import effort_of, request_of
from commands.whatif_reserve import reserve_option, with_reservations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.policy import Policy
    from optimizer.report.whatif_facts import About

__all__ = ["Asked", "new_vms_options"]

F = TypeVar("F", bound="Callable[..., Any]")
Document = dict[str, Any]
SIZE = "VMs of one size, such as cpu=2,memory=8GiB,disk=100GiB"

_OF_ALL = (
    fleet_argument,
    policy_option,
    overlay_option,
    reserve_option,
    time_limit_option,
    workers_option,
    seed_option,
    report_option,
    json_option,
)
_NEW_VMS = (
    click.option("--like", metavar="VM", help="VMs like this one: its size, owner, labels and needs, not its groups."),
    click.option("--request", type=FILE, metavar="FILE", help="A file of new VMs (remora-request/1, YAML or JSON)."),
)


def _once(context: click.Context, _: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Refuse several sizes where there is one; click would take the last."""
    if len(given) > 1:
        raise click.UsageError("--flavour names one size here: several at once are a --request", context)
    return given[0] if given else None


_FLAVOUR = click.option("--flavour", multiple=True, metavar="SIZE", callback=_once, help=f"{SIZE}.")
_FLAVOURS = click.option("--flavour", multiple=True, metavar="SIZE", help=f"{SIZE}; repeatable: each by itself.")


def new_vms_options(*, several: bool = False) -> Callable[[F], F]:
    """Give a command FLEET, the options of every question, and those that name new VMs.

    Parameters
    ----------
    several
        Whether it takes more than one --flavour, as a tuple.
    """

    def add(function: F) -> F:
        for option in reversed((*_OF_ALL, _FLAVOURS if several else _FLAVOUR, *_NEW_VMS)):
            function = option(function)
        return function

    return add


class Asked:
    """A fleet with the VMs that a question is about, and the policy that binds them."""

    def __init__(self, document: Document, digest: str, policy: Policy, given: Document, count: int) -> None:
        from optimizer.sources.request import with_request

        where, request = request_of(document, given, count)
        self.fleet, new = with_request(document, request, where)
        self.wanted = [(one.vm, one.count) for one in new]
        self.digest, self.policy, self._document = digest, policy, document
        warn_of_groups(self.fleet)

    @classmethod
    def read(
        cls,
        fleet: Path,
        policy_name: str,
        overlay: Path | None,
        given: Document,
        count: int = 1,
        flavours: Sequence[str] = (),
    ) -> Asked:
        """Read all that a question names; refuse what means nothing, in `flavours` that are asked later as well."""
        policy = load_policy(policy_name)
        snapshot, _, document = load_laid(fleet, overlay)
        refuse_or_warn(snapshot, policy)
        _refuse_repeated(flavours, document)
        document = with_reservations(document, given["reserve"], policy, effort_of(given))
        return cls(document, snapshot.digest, policy, given, count)

    def of_flavour(self, flavour: str) -> Asked:
        """Return the same question about VMs of another size."""
        given = {"flavour": flavour, "like": None, "request": None}
        return Asked(self._document, self.digest, self.policy, given, 1)

    def about(self, seconds: float) -> About:
        """Return what the answer is about."""
        from optimizer.report.whatif_facts import About

        return About(self.fleet.id, self.digest, self.policy.name, self.policy.digest, round(seconds, 3))


def _refuse_repeated(flavours: Sequence[str], document: Document) -> None:
    """Refuse sizes that are none, and a size that is given twice, however it is written.

    Raises
    ------
    InputError
        With the first that is wrong.
    """
    from optimizer.errors import InputError
    from optimizer.sources.request import flavour

    known: list[tuple[Document, str]] = []
    for text in flavours:
        demand = flavour(text, document, "--flavour")["vms"][0]["demand"]
        if same := next((other for size, other in known if size == demand), None):
            raise InputError("--flavour", "", text, "each size once", f"{same} is the same")
        known.append((demand, text))
