"""The guards in the `execution` of a policy: gates between waves of moves, and hooks before and after each."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.execution import PLACEHOLDERS, Gate, Gates, Hook, Hooks

__all__ = ["GatesPart", "HooksPart"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_DEFAULTS = Gates()
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_OF_GATES = PLACEHOLDERS[:2]

_Seconds = Annotated[int, Field(ge=1, le=604_800)]
_Deadline = Annotated[float, Field(ge=1, le=300)]
_Argument = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
_Command = Annotated[list[_Argument], Field(max_length=100)]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
_Environment = Annotated[list[_Variable], Field(max_length=100)]


def _known(command: list[str], placeholders: tuple[str, ...]) -> None:
    """Refuse an argument vector that names no program, or has a placeholder that nothing fills in."""
    if not command or not command[0]:
        raise ValueError("a program and its arguments")
    for word in (found for argument in command for found in _PLACEHOLDER.findall(argument)):
        if word not in placeholders:
            raise ValueError(f"placeholders that are known ({{{'}, {'.join(placeholders)}}}), not {{{word}}}")


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Gate:
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)]
    query: Annotated[str, Field(max_length=10_000)] = ""
    at_most: float | None = None
    at_least: float | None = None
    check: Annotated[str, Field(max_length=64)] = ""
    command: _Command = Field(default_factory=list)
    environment: _Environment = Field(default_factory=list)
    deadline_s: _Deadline = 10.0

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if bool(self.query.strip()) + bool(self.check) + bool(self.command) != 1:
            raise ValueError("exactly one of query, check and command")
        if bool(self.query) != (self.at_most is not None or self.at_least is not None):
            raise ValueError("at_most or at_least, with a query and with nothing else")
        if self.environment and not self.command:
            raise ValueError("environment only with a command")
        if self.command:
            _known(self.command, _OF_GATES)
        return self

    def plain(self) -> Gate:
        return Gate(
            name=self.name,
            deadline_s=self.deadline_s,
            query=self.query,
            at_most=self.at_most,
            at_least=self.at_least,
            check=self.check,
            command=tuple(self.command),
            environment=tuple(self.environment),
        )


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class GatesPart:
    """The gates, and when they are asked."""

    every: Annotated[int, Field(ge=1, le=1_000_000)] = _DEFAULTS.every
    hold_s: _Seconds = _DEFAULTS.hold_s
    again_s: Annotated[int, Field(ge=1, le=86_400)] = _DEFAULTS.again_s
    ask: list[_Gate] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [gate.name for gate in self.ask]
        if len(set(names)) < len(names):
            raise ValueError(f"gates with different names, not {', '.join(names)}")
        return self

    def plain(self) -> Gates:
        """Return it as plain data."""
        return Gates(self.every, self.hold_s, self.again_s, tuple(gate.plain() for gate in self.ask))


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Hook:
    command: _Command
    deadline_s: _Deadline = 30.0
    environment: _Environment = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        _known(self.command, PLACEHOLDERS)
        return self

    def plain(self) -> Hook:
        return Hook(tuple(self.command), self.deadline_s, tuple(self.environment))


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class HooksPart:
    """The programs that are called before and after each move."""

    before: list[_Hook] = Field(default_factory=list, max_length=10)
    after: list[_Hook] = Field(default_factory=list, max_length=10)

    def plain(self) -> Hooks:
        """Return it as plain data."""
        return Hooks(tuple(h.plain() for h in self.before), tuple(h.plain() for h in self.after))
