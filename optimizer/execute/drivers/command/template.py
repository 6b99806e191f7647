"""A template: which programs are run to read and to migrate, how their output is read, and what it means.

`docs/drivers/command.md` describes every field. Errors name the file, the field and the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.execute.drivers.command.arguments import Arguments, parse_arguments
from optimizer.execute.drivers.command.outputs import Output
from optimizer.sources.files import is_path, read_bytes
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, choice, exactly, flag, real, shaped, text, whole
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from optimizer.sources.kinds import Kind

__all__ = ["TEMPLATE", "TEMPLATE_FORMAT", "Call", "End", "Template", "Templates", "read_template"]

TEMPLATE_FORMAT = "remora-command-template/1"
DIRECTORY = Path(__file__).parent / "templates"

OUTCOMES = ("ok", "absent", "temporary", "permanent", "unknown")
"""How a program may have ended; `absent`, of one that reads: what it was asked about is not there, so no rows."""
ROLES = ("resting", "leaving", "arriving", "none")
VM_STATES = ("running", "paused", "stopped", "error", "unknown")
JOB_STATES = ("accepted", "preparing", "copying", "switching", "done", "temporary", "permanent", "unknown", "none")
HOST_STATES = ("up", "down")
JOB_COLUMNS = (
    *("job", "token", "vm", "source", "target", "state", "began", "ended", "elapsed_s", "elapsed_ms"),
    *("remaining_mib", "remaining_bytes", "detail"),
)
VARIABLES = ("required", "optional", "id")

ASKED = ("vm", "source", "target", "token", "plan", "move", "attempt", "epoch", "copied_mib", "seconds", "job")
FACTS = (*ASKED, "how", "storage", "copied", "since")
"""Values that a call about a move has."""

NAME = shaped(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", "a name of letters, digits and _")
WORDS = text(4096, 0, prose=True)


class _Any:
    """Any value: what is in it is judged where it is read."""

    def fits(self, column: Any) -> bool:
        return True

    def blame(self, value: Any, path: str) -> None:
        return None

    def schema(self) -> dict[str, Any]:
        return {}


ANY: Kind = _Any()
END = Record(
    "rule of ends",
    {
        "exit": Field(Listing(whole(0, 255), 1), "exit codes; any where it is absent", None),
        "says": Field(text(4096), "a pattern that is found in what it printed", None),
        "means": Field(choice(*OUTCOMES), "what that means"),
    },
)
CALL = {
    "run": Field(ANY, "the program and its arguments"),
    "deadline_s": Field(real(0.01, 10**6), "seconds after which it is killed", 30.0),
    "ends": Field(Listing(END), "the first rule that fits says how it ended; exit code 0 is ok by default", None),
    "rows": Field(text(256, 0), "a JSON pointer to its rows", None),
    "fields": Field(text(8), "what separates a name from its value", None),
    "pattern": Field(text(4096, prose=True), "a pattern, of which each match is a row", None),
    "skip": Field(text(4096), "lines that say nothing", None),
    "columns": Field(Table(ANY, NAME), "where in a row each column is", None),
}
STATES = Table(choice(*JOB_STATES), WORDS)
TEMPLATE = Record(
    "template",
    {
        "format": Field(exactly(TEMPLATE_FORMAT), "the format's tag"),
        "about": Field(text(4096, prose=True), "what it is for", ""),
        "host": Field(Table(text(), NAME), "values of each host: required, optional, id, or another one's name", None),
        "set": Field(Table(WORDS, NAME), "values that the location file may set, and their defaults", None),
        "shapes": Field(Table(text(4096), WORDS), "patterns that values have to match as a whole", None),
        "settles_s": Field(real(0, 10**6), "seconds after which a submit has taken effect or never will", 60.0),
        "fresh_s": Field(real(0, 60), "seconds for which a reading is used again", 0.0),
        "clocks_apart_s": Field(real(0, 3600), "how far the platform's clock may be from this one", 5.0),
        "vms": Field(
            Record(
                "inventory of VMs",
                {
                    "each": Field(choice("fleet", "host"), "asked once, or of each host"),
                    "calls": Field(Listing(Record("call", CALL), 1), "their rows are joined by the column vm"),
                    "name": Field(Listing(NAME, 1), "columns that may be the VM's id", ["vm"]),
                    "states": Field(Table(choice(*VM_STATES), WORDS), "the column state", None),
                    "roles": Field(Table(choice(*ROLES), WORDS), "the column role; resting if in no row", None),
                },
            ),
            "which VMs are where",
        ),
        "hosts": Field(
            Record("inventory of hosts", {**CALL, "states": Field(Table(choice(*HOST_STATES), WORDS), "their states")}),
            "which hosts are up; the snapshot says it otherwise",
            None,
        ),
        "submit": Field(
            Record("submit", {**CALL, "waits": Field(flag(), "it ends when the migration does", False)}),
            "what starts a migration",
        ),
        "jobs": Field(
            Record(
                "jobs",
                {
                    **CALL,
                    "each": Field(choice("fleet", "move"), "asked once, or of each move"),
                    "states": Field(STATES, "the column state; what is not in it is unknown"),
                    "details": Field(Record("call", CALL), "asked of a job that was found: further columns", None),
                },
            ),
            "what the platform says of migrations",
            None,
        ),
        "abort": Field(Record("abort", CALL), "what gives a migration up", None),
    },
)


@dataclass(frozen=True, slots=True)
class End:
    """A rule for how a program ended."""

    means: str
    exit: frozenset[int] | None = None
    says: re.Pattern[str] | None = None

    def fits(self, code: int, said: str) -> bool:
        """Say whether a program ended so."""
        return (self.exit is None or code in self.exit) and (self.says is None or self.says.search(said) is not None)


@dataclass(frozen=True, slots=True)
class Call:
    """A program to run."""

    arguments: Arguments
    output: Output | None
    ends: tuple[End, ...]
    deadline_s: float

    def outcome(self, code: int, said: str) -> str:
        """Return one of `OUTCOMES`; a signal is unknown, whatever the rules say."""
        if code < 0:
            return "unknown"
        return next((end.means for end in self.ends if end.fits(code, said)), "unknown")


@dataclass(frozen=True, slots=True)
class Templates:
    """The inventory or the jobs of a template: calls, and what their columns mean."""

    each: str
    calls: tuple[Call, ...]
    states: Mapping[str, str]
    roles: Mapping[str, str]
    name: tuple[str, ...] = ("vm",)
    details: Call | None = None

    def has(self, column: str) -> bool:
        """Say whether any call has this column."""
        calls = (*self.calls, *([self.details] if self.details else []))
        return any(call.output is not None and column in call.output.columns for call in calls)


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it was read; its fields are those of the file."""

    where: str
    host: Mapping[str, str]
    set: Mapping[str, str]
    vms: Templates
    submit: Call
    waits: bool
    jobs: Templates | None
    hosts: Templates | None
    abort: Call | None
    settles_s: float
    fresh_s: float
    clocks_apart_s: float


def read_template(name: str, beside: Path, where: str) -> Template:
    """Read a template: one that Remora brings along, by its name, or a file, by its path.

    Raises
    ------
    InputError
        There is none, or something in it is wrong.
    """
    known = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))
    if name in known:
        path = DIRECTORY / f"{name}.yaml"
    elif is_path(name):
        path = beside / name
    else:
        raise InputError(where, "template", name, f"one of {', '.join(known)}, or the path of a file")
    document = load_yaml(read_bytes(path), str(path))
    check_plain(document, str(path))
    return _Reader(check_format(document, TEMPLATE_FORMAT, str(path)), str(path)).template()


class _Reader:
    """Reads one template."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        check(TEMPLATE, document, where)
        self._document, self._where = document, where
        self._host: dict[str, str] = {"name": "id", **document.get("host", {})}
        for name, says in self._host.items():
            if says not in VARIABLES and says not in self._host:
                expected = f"one of {', '.join(VARIABLES)}, or another name here"
                raise InputError(where, f"host.{name}", says, expected)
        self._set: dict[str, str] = document.get("set", {})
        self._fixed = {f"set.{name}" for name in self._set}
        self._columns = {f"vm.{c}" for call in document["vms"]["calls"] for c in self._named(call)}
        ends = {f"{end}.{name}" for end in ("source", "target") for name in self._host}
        self._facts = self._fixed | self._columns | ends | set(FACTS)
        known = self._facts | {"host"} | {f"host.{name}" for name in self._host}
        known |= {f"job.{column}" for column in self._named(document.get("jobs", {}))}
        for name in document.get("shapes", {}):
            if name not in known:
                raise InputError(where, f"shapes.{name}", name, "the name of a value, such as vm.uuid")
        shapes = document.get("shapes", {})
        self._shapes = {name: self._pattern(shape, f"shapes.{name}") for name, shape in shapes.items()}

    def template(self) -> Template:
        """Return the template."""
        document, submit, jobs, hosts = self._document, *map(self._document.get, ("submit", "jobs", "hosts"))
        assert submit is not None
        return Template(
            where=self._where,
            host=self._host,
            set=self._set,
            vms=self._vms(),
            submit=self._call(submit, "submit", self._facts - {"job"}),
            waits=submit.get("waits", False),
            jobs=self._jobs(jobs) if jobs else None,
            hosts=self._hosts(hosts) if hosts else None,
            abort=self._call(document["abort"], "abort", self._facts) if "abort" in document else None,
            settles_s=float(document.get("settles_s", 60.0)),
            fresh_s=float(document.get("fresh_s", 0.0)),
            clocks_apart_s=float(document.get("clocks_apart_s", 5.0)),
        )

    def _vms(self) -> Templates:
        found = self._document["vms"]
        known = self._fixed | ({"host", *(f"host.{n}" for n in self._host)} if found["each"] == "host" else set())
        calls = tuple(self._call(c, f"vms.calls[{i}]", known, read=True) for i, c in enumerate(found["calls"]))
        vms = Templates(
            found["each"],
            calls,
            found.get("states", {}),
            found.get("roles", {}),
            tuple(found.get("name", ["vm"])),
        )
        for i, call in enumerate(calls):
            if call.output is None or "vm" not in call.output.columns:
                raise InputError(self._where, f"vms.calls[{i}].columns", None, "a column vm, by which rows are joined")
        for i, name in enumerate(vms.name):
            if not vms.has(name):
                raise InputError(self._where, f"vms.name[{i}]", name, "a column of the calls")
        if vms.each == "fleet" and not vms.has("host"):
            raise InputError(self._where, "vms.calls", None, "a column host, since all hosts are asked about at once")
        return vms

    def _jobs(self, found: dict[str, Any]) -> Templates:
        known = self._facts if found["each"] == "move" else self._fixed
        details = found.get("details")
        more = {f"job.{column}" for column in self._named(found)}
        jobs = Templates(
            found["each"],
            (self._call(found, "jobs", known, read=True),),
            found["states"],
            {},
            details=self._call(details, "jobs.details", self._facts | more, read=True) if details else None,
        )
        for path, call in (("jobs", found), ("jobs.details", details or {})):
            for column in self._named(call):
                if column not in JOB_COLUMNS and not column.startswith("x_"):
                    expected = f"one of {', '.join(JOB_COLUMNS)}, or a name that starts with x_"
                    raise InputError(self._where, f"{path}.columns.{column}", column, expected)
        if not jobs.has("state"):
            raise InputError(self._where, "jobs.columns", None, "a column state")
        if jobs.each == "fleet" and not jobs.has("vm"):
            raise InputError(
                self._where, "jobs.columns", None, "a column vm, since all migrations are asked for at once"
            )
        return jobs

    def _hosts(self, found: dict[str, Any]) -> Templates:
        hosts = Templates("fleet", (self._call(found, "hosts", self._fixed, read=True),), found["states"], {})
        for column in ("host", "state"):
            if not hosts.has(column):
                raise InputError(self._where, "hosts.columns", None, f"a column {column}")
        return hosts

    def _call(self, found: dict[str, Any], path: str, known: Collection[str], *, read: bool = False) -> Call:
        arguments = parse_arguments(found["run"], self._where, f"{path}.run", known, self._shapes)
        ends = [
            End(
                end["means"],
                frozenset(end["exit"]) if "exit" in end else None,
                self._pattern(end["says"], f"{path}.ends[{i}].says") if "says" in end else None,
            )
            for i, end in enumerate(found.get("ends", []))
        ]
        return Call(
            arguments,
            self._output(found, path, read=read),
            (*ends, End("ok", frozenset({0}))),
            float(found.get("deadline_s", 30.0)),
        )

    def _output(self, found: dict[str, Any], path: str, *, read: bool) -> Output | None:
        kinds = [kind for kind in ("rows", "fields", "pattern") if kind in found]
        if len(kinds) > 1 or (read and not kinds):
            raise InputError(self._where, path, ", ".join(kinds) or None, "one of rows, fields, pattern")
        if not kinds:
            return None
        pattern = self._pattern(found["pattern"], f"{path}.pattern", re.MULTILINE) if "pattern" in found else None
        groups = {name: f"/{name}" for name in pattern.groupindex} if pattern else {}
        columns = {
            name: self._places(place, f"{path}.columns.{name}")
            for name, place in {**groups, **found.get("columns", {})}.items()
        }
        if not columns:
            raise InputError(self._where, f"{path}.columns", None, "at least one column")
        return Output(
            columns,
            self._pointer(found["rows"], f"{path}.rows") if "rows" in found else None,
            found.get("fields"),
            pattern,
            self._pattern(found["skip"], f"{path}.skip") if "skip" in found else None,
        )

    def _named(self, call: dict[str, Any]) -> set[str]:
        pattern = call.get("pattern")
        try:
            groups = set(re.compile(pattern).groupindex) if isinstance(pattern, str) else set()
        except re.error:
            groups = set()  # said where it is read
        return {*call.get("columns", {}), *groups}

    def _places(self, found: Any, path: str) -> tuple[str, ...]:
        listed = found if type(found) is list and found else [found]
        return tuple(self._pointer(place, path) for place in listed)

    def _pointer(self, found: Any, path: str) -> str:
        if type(found) is not str or (found and not found.startswith("/")):
            raise InputError(self._where, path, found, "a JSON pointer, such as /data/name")
        return found

    def _pattern(self, found: str, path: str, flags: int = 0) -> re.Pattern[str]:
        try:
            return re.compile(found, flags)
        except re.error as error:
            raise InputError(self._where, path, found, "a regular expression", str(error)) from error
