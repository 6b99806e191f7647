"""Reads `remora.yaml`, the one file that commands with `--config` read: sections, each checked by its own area.

Here stands which sections there are, and how any of them is refused. What a section means is said by a pydantic
dataclass of the area that owns it, which asks for it with `Config.section`:

>>> from pydantic.dataclasses import dataclass
>>> @dataclass(frozen=True, kw_only=True, config=STRICT)
... class CyclePart:
...     every_s: int = 600
>>> config = config_from_document({"cycle": {"every_s": 300}}, "remora.yaml")
>>> config.section("cycle", CyclePart).every_s
300

Secrets have no place in the file, only the names of files and variables that have them. Where one is written by
mistake, no message shows it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from optimizer.errors import InputError
from optimizer.similar import similar
from optimizer.sources.empty import refuse_empty
from optimizer.sources.files import canonical_digest
from optimizer.sources.policy_errors import input_error
from optimizer.sources.safe_yaml import check_plain, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMAT", "SECTIONS", "STRICT", "Config", "config_from_document", "read_config"]

FORMAT = "remora-config/1"
"""What `format` may say; it may be left out."""

SECTIONS = (
    "inventory",
    "signals",
    "interference",
    "monitors",
    "journeys",
    "growth",
    "policy",
    "ledger",
    "driver",
    "cycle",
    "automation",
    "notify",
    "serve",
    "metrics",
    "log",
)
"""Every section that there is, in the order in which the pages show them."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""The configuration of each section's dataclass: what it does not know, it refuses."""

SIZE_LIMIT = 1 << 20
CONCEALED = "what stands there (it may be a secret)"

_SECRET = re.compile(r"token|password|passwd|secret|credential|authorization|header|url|dsn|address|location|webhook")
"""Fields in which a secret stands, or is written by mistake."""

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration whose sections are known by name, and not yet checked.

    Parameters
    ----------
    where
        Its file, for messages.
    sections
        What stands in each section that is there.
    digest
        Of the canonical JSON of the whole.
    """

    where: str
    sections: Mapping[str, Any]
    digest: str

    def has(self, name: str) -> bool:
        """Whether the section is there."""
        return name in self.sections

    def section(self, name: str, kind: type[Part]) -> Part:
        """Return a section as its dataclass; one that is absent or empty has the defaults.

        Raises
        ------
        InputError
            With the path of the field that is wrong, what stands there unless it may be a secret, and what to do.
        """
        document = self.sections.get(name)
        if document is None:
            document = {}
        if not isinstance(document, dict):
            raise InputError(self.where, name, _kind(document), "a mapping (name: value)")
        try:
            # read as JSON, so that a list may stand for a tuple, and a text for a choice, though no text for a number
            part: Part = TypeAdapter(kind).validate_json(json.dumps(document), strict=True)
        except ValidationError as error:
            raise _spoken(input_error(kind, error, document, self.where, name)) from None
        refuse_empty(kind, document, self.where, name)
        return part

    def beside(self, name: str) -> Path:
        """Return the path of a file that the configuration names: relative to the configuration's own directory."""
        return Path(self.where).parent / Path(name).expanduser()


def read_config(path: str | Path) -> Config:
    """Read the file.

    Raises
    ------
    InputError
        It cannot be read, is no YAML, or has a section that nobody knows.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise InputError(where, "", problem, "a configuration (YAML) that can be read") from error
    if len(raw) > SIZE_LIMIT:
        raise InputError(where, "", f"more than {SIZE_LIMIT} bytes", "a configuration of at most a mebibyte")
    return config_from_document(load_yaml(raw, where), where)


def config_from_document(document: object, where: str) -> Config:
    """Make a configuration of a document; `where` names its file in messages.

    Raises
    ------
    InputError
        With the path of the field that is wrong.
    """
    if document is None:
        document = {}
    try:
        check_plain(document, where)
    except InputError as error:
        raise _spoken(error) from None
    if not isinstance(document, dict):
        raise InputError(where, "", _kind(document), f"a mapping with sections such as {', '.join(SECTIONS[:3])}")
    plain: dict[str, Any] = _without_x(document)
    named = plain.get("format", FORMAT)
    if named != FORMAT:
        raise InputError(where, "format", named, FORMAT, "or leave it out")
    sections = {name: value for name, value in plain.items() if name != "format"}
    for name in sections:
        if name not in SECTIONS:
            near = similar(name, SECTIONS) or f"there are {', '.join(SECTIONS)}"
            raise InputError(where, name, _kind(sections[name]), "a section that is known", near)
    return Config(where, sections, canonical_digest(plain, where))


def _spoken(error: InputError) -> InputError:
    """Return an error that shows no secret: neither the value of a field that may hold one, nor a whole mapping."""
    value: Any = error.value
    if _SECRET.search(error.path.casefold()):
        value = CONCEALED
    elif isinstance(value, dict | list):
        value = _kind(value)
    return InputError(error.where, error.path, value, error.expected, error.hint)


def _kind(value: object) -> str:
    """Say what stands there without saying what is in it."""
    names: dict[type, str] = {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        type(None): "nothing",
        bool: "true or false",
    }
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")


def _without_x(value: Any) -> Any:
    """Fields that start with ``x_`` are the operator's own: carried along in the file, never read."""
    if isinstance(value, dict):
        return {k: _without_x(v) for k, v in value.items() if not k.startswith("x_")}
    return [_without_x(v) for v in value] if isinstance(value, list) else value
