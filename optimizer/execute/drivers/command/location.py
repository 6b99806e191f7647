"""The location file: which template, the values of each host, and what programs get in their environment.

::

    format: remora-command/1
    template: virsh
    hosts:
      h1: {uri: qemu+tls://h1.example/system}

Secrets do not stand in it: `environment` names the files that hold them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.execute.drivers.command.processes import Environment
from optimizer.execute.drivers.command.template import NAME, WORDS, read_template
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import ID
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, exactly, real, text, whole
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.drivers.command.template import Template

__all__ = ["LOCATION", "LOCATION_FORMAT", "Location", "read_location"]

LOCATION_FORMAT = "remora-command/1"
SECRET_LIMIT = 65536

LOCATION = Record(
    "location of the driver command",
    {
        "format": Field(exactly(LOCATION_FORMAT), "the format's tag"),
        "template": Field(text(4096), "the name of a template, or the path of one, from this file on"),
        "fleet": Field(ID, "the fleet that is reached; a plan for another one is refused", None),
        "hosts": Field(Table(Table(text(4096), NAME), ID), "values of each host, by its id in the fleet", None),
        "set": Field(Table(WORDS, NAME), "values that the template knows", None),
        "environment": Field(
            Table(Record("file", {"file": Field(text(4096), "the file that holds the value")}), NAME),
            "variables that programs get, read from files",
            None,
        ),
        "through": Field(
            Listing(text(4096), 1), "a program that gets each command line as one argument, quoted, such as ssh", None
        ),
        "settles_s": Field(real(0, 10**6), "instead of the template's", None),
        "fresh_s": Field(real(0, 60), "instead of the template's", None),
        "output_mib": Field(whole(1, 1024), "most that a program may print", 16),
    },
)


@dataclass(frozen=True, slots=True)
class Location:
    """A location file as it was read; `hosts` has every value that the template asks for."""

    where: str
    template: Template
    hosts: Mapping[str, Mapping[str, str]]
    set: Mapping[str, str]
    environment: Environment
    through: tuple[str, ...]
    output_limit: int
    fleet: str = ""


def read_location(path: str, inherited: Mapping[str, str], named: tuple[str, ...] = ()) -> Location:
    """Read a location file, its template and the files with secrets.

    Parameters
    ----------
    path
        Of the file.
    inherited
        The environment of this process.
    named
        Hosts that need no values of their own have to be named here.

    Raises
    ------
    InputError
        Something cannot be read, or is wrong.
    """
    document = load_yaml(read_bytes(path), path)
    check_plain(document, path)
    found = check_format(document, LOCATION_FORMAT, path)
    check(LOCATION, found, path)
    template = read_template(found["template"], Path(path).parent, path)
    for name in found.get("set", {}):
        if name not in template.set:
            expected = f"one of {', '.join(template.set)}" if template.set else "nothing: the template knows none"
            raise InputError(path, f"set.{name}", found["set"][name], expected)
    said = found.get("hosts", {})
    return Location(
        where=path,
        template=replace(
            template,
            settles_s=float(found.get("settles_s", template.settles_s)),
            fresh_s=float(found.get("fresh_s", template.fresh_s)),
        ),
        hosts={name: _host(path, name, said.get(name, {}), template) for name in {**said, **dict.fromkeys(named)}},
        set={**template.set, **found.get("set", {})},
        environment=_environment(found.get("environment", {}), inherited, path),
        through=tuple(found.get("through", ())),
        output_limit=found.get("output_mib", 16) << 20,
        fleet=found.get("fleet", ""),
    )


def _host(where: str, name: str, said: Mapping[str, str], template: Template) -> dict[str, str]:
    for key in said:
        if key not in template.host:
            raise InputError(where, f"hosts.{name}.{key}", said[key], f"one of {', '.join(template.host)}")
    values = dict(said)
    rules = {key: rule for key, rule in template.host.items() if key not in values}
    for key, rule in rules.items():
        if rule == "required":
            raise InputError(where, f"hosts.{name}.{key}", None, f"the {key} of {name}", f"{template.where} needs it")
    for _ in rules:  # one may be the value of another, which is the value of a third
        for key, rule in rules.items():
            value = name if rule == "id" else values.get(rule)
            if value:
                values.setdefault(key, value)
    return values


def _environment(found: Mapping[str, Any], inherited: Mapping[str, str], where: str) -> Environment:
    more = {}
    for name, entry in found.items():
        path = Path(os.path.expanduser(entry["file"]))
        raw = read_bytes(path if path.is_absolute() else Path(where).parent / path)
        try:
            value = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(str(path), "", "bytes", "UTF-8 text", f"the value of {name}") from error
        if len(raw) > SECRET_LIMIT or "\0" in value or not value:
            raise InputError(str(path), "", f"{len(raw)} bytes", "one value of text", f"the value of {name}")
        more[name] = value
    return Environment.of(inherited, more, tuple(more.values()))
