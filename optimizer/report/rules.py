"""What rules there are: their parameters, types, defaults, and what each is for, read from the rules themselves."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from optimizer.errors import InputError
from optimizer.grammar import listed
from optimizer.report.docstrings import parameter_docs
from optimizer.report.page import Page, Table
from optimizer.report.words import shortened
from optimizer.similar import similar_or_some

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parameter", "RuleFacts", "describe_rules", "find_rule", "rule_page", "rules_page"]

DOC_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a rule; `common` ones are shared by every rule."""

    name: str
    type: str
    default: Any
    doc: str
    common: bool


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """A kind of rule, as a policy names it."""

    rule: str
    summary: str
    parameters: tuple[Parameter, ...]


def describe_rules(catalogue: Mapping[str, type]) -> tuple[RuleFacts, ...]:
    """Describe every kind of rule of a catalogue, in its order."""
    return tuple(_describe(name, rule) for name, rule in catalogue.items())


def _describe(name: str, rule: type) -> RuleFacts:
    schema: dict[str, Any] = TypeAdapter(rule).json_schema()
    properties, definitions = schema.get("properties", {}), schema.get("$defs", {})
    docs = parameter_docs(rule)
    root = [cls for cls in rule.__mro__ if is_dataclass(cls)][-1]
    shared = {f.name for f in fields(root)} if root is not rule else set()
    parameters = [
        Parameter(
            name=f.name,
            type=_type(properties.get(f.name, {}), definitions),
            default=properties.get(f.name, {}).get("default", None if f.default is MISSING else str(f.default)),
            doc=docs.get(f.name, ""),
            common=f.name in shared,
        )
        for f in fields(rule)
    ]
    summary = (inspect.getdoc(rule) or "").split("\n\n", 1)[0].replace("\n", " ").replace("``", "`")
    return RuleFacts(name, summary, tuple(sorted(parameters, key=lambda p: p.common)))


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say a JSON Schema type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        inner = definitions.get(name, {}).get("properties", {})
        return "{" + ", ".join(inner) + "}" if inner else _type(definitions.get(name, {}), definitions)
    if "anyOf" in schema:
        return listed((_type(s, definitions) for s in schema["anyOf"]), "or")
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return "list of " + _type(schema.get("items", {}), definitions)
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return "mapping to " + _type(schema["additionalProperties"], definitions)
    return str(schema.get("const", schema.get("type", "any"))) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    return " " + ", ".join(found) if found else ""


def rules_page(rules: tuple[RuleFacts, ...]) -> Page:
    """Lay out all rules: one line each, with the names of their own parameters."""
    page = Page()
    table = Table(("rule", "~what it says", "~parameters of its own"))
    for rule in rules:
        own = ", ".join(p.name for p in rule.parameters if not p.common)
        table.add(rule.rule, rule.summary, own or "-")
    page.table(table)
    common = {p.name: p for rule in rules for p in rule.parameters if p.common}
    page.heading("Every rule also has")
    page.table(_parameters(tuple(common.values())))
    page.line("`remora rules NAME` says more of one.")
    return page


def rule_page(rule: RuleFacts) -> Page:
    """Lay out one rule with all its parameters."""
    page = Page()
    page.heading(f"{rule.rule}: {rule.summary}")
    page.table(_parameters(rule.parameters))
    return page


def _parameters(parameters: tuple[Parameter, ...]) -> Table:
    table = Table(("parameter", "~type", "default", "~what it is"))
    for p in parameters:
        table.add(p.name, p.type, _default(p.default), p.doc)
    return table


def _default(value: Any) -> str:
    if value is None:
        return "-"
    if value == []:
        return "none"
    return shortened(str(value), DOC_WIDTH)


def find_rule(rules: tuple[RuleFacts, ...], name: str) -> RuleFacts:
    """Return the rule of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    for rule in rules:
        if rule.rule == name:
            return rule
    raise InputError("rules", "NAME", name, "the name of a rule", similar_or_some(name, [r.rule for r in rules]))
