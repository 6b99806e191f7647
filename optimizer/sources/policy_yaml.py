"""Reads `remora-policy/1`: what an operator wants, in YAML, checked at the edge.

The optimizer knows no rule, so the caller hands in the catalogue (name in a policy -> class) and the policies that
ship with the project (name -> file).
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass, is_pydantic_dataclass, rebuild_dataclass

from optimizer.concurrency import Concurrency
from optimizer.disruption_rule import DISRUPTION
from optimizer.errors import InputError
from optimizer.execution import Execution
from optimizer.grammar import count
from optimizer.policy import Policy, UnknownNames
from optimizer.problem.names import MAY_BE_EMPTY, GroupName, LevelName, VmLabel, Word, named
from optimizer.problem.problem import Least
from optimizer.problem.snapshot_rule import SNAPSHOT
from optimizer.similar import similar
from optimizer.sources.empty import refuse_empty
from optimizer.sources.files import canonical_digest
from optimizer.sources.policy_errors import input_error
from optimizer.sources.policy_shared import share_parameters
from optimizer.sources.safe_yaml import check_plain, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from optimizer.fleet import Fleet
    from optimizer.problem.names import Named
    from optimizer.problem.rule import NotEvaluated, Rule

__all__ = ["FORMAT", "missing_required", "policy_from_document", "policy_schema", "read_policy"]

FORMAT = "remora-policy/1"
SIZE_LIMIT = 1 << 20
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)
RESERVED = {
    SNAPSHOT: "what the snapshot says of hosts and VMs holds",
    DISRUPTION: "what moves by others leave of the disruption budgets (concurrency) holds",
}
"""Names that no rule of a policy may have, and why."""

_DEFAULTS = Concurrency()


_Limit = Annotated[int, Field(ge=1, le=100_000)]


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Concurrency:
    fleet: _Limit | None = _DEFAULTS.fleet
    per_source: _Limit = _DEFAULTS.per_source
    per_target: _Limit = _DEFAULTS.per_target
    per_domain: Annotated[dict[LevelName, _Limit], MAY_BE_EMPTY] = Field(
        default_factory=lambda: dict(_DEFAULTS.per_domain)
    )
    per_group: _Limit | None = _DEFAULTS.per_group
    groups: dict[GroupName, _Limit] = Field(default_factory=dict)
    per_owner: _Limit | None = _DEFAULTS.per_owner
    per_label: dict[VmLabel, _Limit] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Document:
    format: Literal["remora-policy/1"]
    rules: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    name: Word = Field(default="", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    least: Least = Least.MOVES
    concurrency: _Concurrency = Field(default_factory=_Concurrency)
    execution: dict[str, Any] = Field(default_factory=dict)
    expires_after_s: int = Field(default=900, ge=1, le=31_536_000)
    unknown_names: UnknownNames = UnknownNames.ERROR


def read_policy(
    name_or_path: str | Path, catalogue: Mapping[str, type[Rule]], shipped: Mapping[str, Path] | None = None
) -> Policy:
    """Read a policy by the name of a shipped one, or from a file.

    Parameters
    ----------
    name_or_path
        A key of `shipped` (it wins), or a path.
    catalogue
        The rules there are, by their name in a policy.
    shipped
        The policies that come with the project.

    Raises
    ------
    InputError
        It cannot be read, is no YAML, or says what no rule understands.
    """
    shipped = shipped or {}
    path = shipped.get(str(name_or_path), Path(name_or_path))
    where = str(name_or_path)
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        near = similar(where, shipped) or f"shipped policies: {', '.join(sorted(shipped)) or 'none'}"
        problem = getattr(error, "strerror", None) or str(error)
        raise InputError(where, "", problem, "the name or the path of a policy", near) from error
    if len(raw) > SIZE_LIMIT:
        raise InputError(where, "", f"more than {SIZE_LIMIT} bytes", "a policy of at most a mebibyte")
    return policy_from_document(load_yaml(raw, where), where, catalogue)


def policy_from_document(document: object, where: str, catalogue: Mapping[str, type[Rule]]) -> Policy:
    """Make a checked policy of a document; `where` names its file in messages.

    Raises
    ------
    InputError
        With the path of the field that is wrong.
    """
    check_plain(document, where)
    document = _without_x(document)
    if not isinstance(document, dict):
        raise InputError(where, "", document, f"a mapping with format: {FORMAT}")
    header: _Document = _validated(_Document, document, where, "")
    rules = tuple(_rule(r, where, f"rules[{i}]", catalogue) for i, r in enumerate(header.rules))
    _unique_names(rules, where)
    execution = _execution(header.execution, where)
    _check_gates(execution, rules, where)
    rules = share_parameters(rules, where)
    return Policy(
        name=header.name or _name_of_file(where),
        rules=rules,
        least=header.least,
        concurrency=Concurrency(**dataclasses.asdict(header.concurrency)),
        execution=execution,
        expires_after_s=header.expires_after_s,
        digest=canonical_digest(document, where),
        unknown_names=header.unknown_names,
        named=tuple(_named(document, catalogue)),
        where=where,
    )


def _name_of_file(where: str) -> str:
    """Return what a policy without a name is called: its file's name, without what comes after the first dot."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(where).name.split(".")[0]).strip("-")
    return stem[:64] or "policy"


def _named(document: dict[str, Any], catalogue: Mapping[str, type[Rule]]) -> Iterator[Named]:
    """Yield every name that a policy speaks of, with its path."""
    if "concurrency" in document:
        yield from named(_Concurrency, document["concurrency"], "concurrency")
    for i, rule in enumerate(document["rules"]):
        yield from named(catalogue[rule["rule"]], rule, f"rules[{i}]")


def policy_schema(catalogue: Mapping[str, type[Rule]]) -> dict[str, Any]:
    """Return the JSON Schema of a policy with these rules."""
    from optimizer.sources.empty_schema import WithLeast
    from optimizer.sources.policy_execution import ExecutionPart

    schema = TypeAdapter(_Document).json_schema(schema_generator=WithLeast)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    kinds = []
    for kind, rule in sorted(catalogue.items()):
        one = TypeAdapter(rule).json_schema(schema_generator=WithLeast)
        definitions.update(one.pop("$defs", {}))
        one["properties"] = {"rule": {"const": kind}, **one.get("properties", {})}
        one["required"] = ["rule", *one.get("required", [])]
        definitions[f"rule_{kind}"] = one
        kinds.append({"$ref": f"#/$defs/rule_{kind}"})
    schema["properties"]["rules"]["items"] = {"anyOf": kinds}
    one = TypeAdapter(ExecutionPart).json_schema(schema_generator=WithLeast)
    definitions.update(one.pop("$defs", {}), ExecutionPart=one)
    schema["properties"]["execution"] = {"$ref": "#/$defs/ExecutionPart"}
    for part in (schema, *definitions.values()):
        if part.get("type") == "object":
            part["patternProperties"] = {"^x_": {}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": FORMAT}


def missing_required(policy: Policy, fleet: Fleet) -> list[NotEvaluated]:
    """Hold a policy against a fleet: return every fact that its rules wanted and the snapshot lacks.

    Raises
    ------
    InputError
        A rule says `require:` of such a fact.
    """
    found: list[NotEvaluated] = []
    for rule in policy.rules:
        for lack in rule.not_evaluated(fleet):
            if lack.what in getattr(rule, "require", ()):
                of = count(lack.vms, "VM") if lack.vms else count(lack.hosts, "host")
                raise InputError(
                    policy.name,
                    f"{rule.name}.require",
                    lack.what,
                    "a snapshot that has this fact",
                    f"it is missing for {of or 'the fleet'}; add it, or leave it out of require",
                )
            found.append(lack)
    return found


# -- one rule ----------------------------------------------------------------------------------------------------


def _rule(document: dict[str, Any], where: str, path: str, catalogue: Mapping[str, type[Rule]]) -> Rule:
    kind = document.get("rule")
    if not isinstance(kind, str) or kind not in catalogue:
        near = similar(str(kind), catalogue) or f"there are {', '.join(sorted(catalogue))}"
        raise InputError(where, f"{path}.rule", kind, "the name of a rule", near)
    parameters = {k: v for k, v in document.items() if k != "rule"}
    rule: Rule = _validated(catalogue[kind], parameters, where, path)
    return rule


def _unique_names(rules: Iterable[Rule], where: str) -> None:
    seen: dict[str, int] = {}
    for i, rule in enumerate(rules):
        if rule.name in RESERVED:
            hint = f"{RESERVED[rule.name]} in every policy under this name"
            raise InputError(where, f"rules[{i}].name", rule.name, "another name", hint)
        if rule.name in seen:
            first = f"rules[{seen[rule.name]}] has it already; give one of them a name: of its own"
            raise InputError(where, f"rules[{i}].name", rule.name, "a name that no other rule has", first)
        seen[rule.name] = i


def _execution(document: dict[str, Any], where: str) -> Execution:
    """Return how plans are carried out; what reads that is loaded where the policy says something of it."""
    if not document:
        return Execution()
    from optimizer.sources.policy_execution import ExecutionPart

    part: ExecutionPart = _validated(ExecutionPart, document, where, "execution")
    return part.plain()


def _check_gates(execution: Execution, rules: Iterable[Rule], where: str) -> None:
    """Refuse a gate that checks what is no rule of the policy."""
    names = [rule.name for rule in rules]
    for i, gate in enumerate(execution.gates.ask):
        if gate.check and gate.check not in names:
            near = similar(gate.check, names) or f"there are {', '.join(names)}"
            raise InputError(
                where, f"execution.gates.ask[{i}].check", gate.check, "the name of a rule of this policy", near
            )


# -- errors ------------------------------------------------------------------------------------------------------


def _validated(kind: type[Any], document: dict[str, Any], where: str, path: str) -> Any:
    if is_pydantic_dataclass(kind):
        rebuild_dataclass(kind)  # what checks it is built by the first policy that has it; not again by each
    try:
        made = TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        raise input_error(kind, error, document, where, path) from error
    refuse_empty(kind, document, where, path)
    return made


# -- documents ---------------------------------------------------------------------------------------------------


def _without_x(value: object) -> object:
    """Fields that start with ``x_`` are the operator's own: carried along in the file, never read."""
    if isinstance(value, dict):
        return {k: _without_x(v) for k, v in value.items() if not k.startswith("x_")}
    return [_without_x(v) for v in value] if isinstance(value, list) else value
