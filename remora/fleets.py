"""Fleets and policies, read as the commands read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constraints import CATALOGUE, SHIPPED
from optimizer.sources import fleet_json
from optimizer.sources.overlay import apply_overlay
from optimizer.sources.policy_yaml import policy_from_document
from optimizer.sources.policy_yaml import read_policy as read_by_name
from remora.doubts import tell

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.caution import Caution
    from optimizer.fleet import Fleet as Snapshot
    from optimizer.policy import Policy

__all__ = ["Fleet", "fleet_from", "policy_from", "read_fleet", "read_policy"]


@dataclass(frozen=True, eq=False)
class Fleet:
    """A fleet.

    Attributes
    ----------
    document
        The `remora-fleet/1` document that it was made from, with an overlay laid over it; not to be changed.
    snapshot
        The same as columns of numpy arrays: what the program works on.
    warnings
        What its overlay names in vain, and its groups without a VM.
    """

    document: dict[str, Any]
    snapshot: Snapshot
    warnings: tuple[Caution, ...] = ()

    @property
    def id(self) -> str:
        """What the fleet is called."""
        return self.snapshot.id

    @property
    def hosts(self) -> tuple[str, ...]:
        """The ids of the hosts."""
        return self.snapshot.hosts.ids

    @property
    def vms(self) -> tuple[str, ...]:
        """The ids of the VMs."""
        return self.snapshot.vms.ids

    @property
    def digest(self) -> str:
        """What plans and answers call this very snapshot."""
        return self.snapshot.digest


def read_fleet(path: Path | str, overlay: Path | str | None = None) -> Fleet:
    """Read a snapshot from a file, with an overlay if there is one; what is doubtful about that is an `InputWarning`.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    snapshot, document = fleet_json.read_fleet_document(path)
    if overlay is None:
        return Fleet(document, snapshot)
    found: list[Caution] = []
    laid = apply_overlay(document, overlay, found.append)
    tell(found)
    return Fleet(laid, fleet_json.fleet_from_document(laid, str(path)), tuple(found))


def fleet_from(document: dict[str, Any], where: str = "fleet") -> Fleet:
    """Make a fleet of a document; `where` names it in errors.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    return Fleet(document, fleet_json.fleet_from_document(document, where))


def read_policy(name_or_path: str = "default") -> Policy:
    """Read a policy: one that ships with Remora by its name, or a file.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    return read_by_name(name_or_path, CATALOGUE, SHIPPED)


def policy_from(document: dict[str, Any], where: str = "policy") -> Policy:
    """Make a policy of a document (`remora-policy/1`).

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    return policy_from_document(document, where, CATALOGUE)
