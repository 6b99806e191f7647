from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints import CATALOGUE, SHIPPED
from constraints.balance import Balance
from constraints.prefer import Prefer
from constraints.pressure import HostPressure
from optimizer.cautions import refuse_unknown_names
from optimizer.concurrency import Concurrency
from optimizer.errors import InputError
from optimizer.execution import Execution
from optimizer.fleet import State
from optimizer.policy import Policy
from optimizer.problem.problem import Least
from optimizer.sources.policy_execution import ExecutionPart
from optimizer.sources.policy_yaml import (
    FORMAT,
    SIZE_LIMIT,
    missing_required,
    policy_from_document,
    policy_schema,
    read_policy,
)
from optimizer.sources.safe_yaml import load_yaml
from tests.build import fleet, host, vm

if TYPE_CHECKING:
    from pathlib import Path

HEAD = f"format: {FORMAT}\n"
RATIO = HEAD + "rules: [{rule: capacity, overcommit: [{resource: c, ratio: 1.0000001}]}]"
CAPACITY = HEAD + "rules: [{rule: capacity}]\n"


def parsed(text: str) -> Policy:
    return policy_from_document(load_yaml(text.encode(), "p.yaml"), "p.yaml", CATALOGUE)


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert caught.value.where == "p.yaml"
    return caught.value


def test_a_whole_policy() -> None:
    policy = parsed(
        HEAD
        + """
name: night-shift
least: gib
rules:
  - rule: capacity
    name: allocated
    overcommit: [{resource: cpu_millicores, ratio: "1.6", labels: {cpu: epyc}}]
  - {rule: anti_affinity, hardness: should, weight: 5, price: 2}
concurrency: {fleet: 9, per_domain: {zone: 3}}
expires_after_s: 60
x_owner: carried along, never read
"""
    )
    assert policy.name == "night-shift"
    assert [(r.name, type(r).__name__) for r in policy.rules] == [
        ("allocated", "Capacity"),
        ("anti_affinity", "AntiAffinity"),
    ]
    assert policy.least is Least.GIB
    assert policy.concurrency == Concurrency(fleet=9, per_domain={"zone": 3})
    assert policy.expires_after_s == 60


def test_what_is_left_out_has_the_published_defaults() -> None:
    policy = parsed(CAPACITY)
    assert (policy.least, policy.concurrency, policy.expires_after_s) == (Least.MOVES, Concurrency(), 900)


def test_the_digest_is_of_the_meaning_of_the_text() -> None:
    other = HEAD + "# a comment\nrules:\n  - 'rule': capacity\nx_note: mine\n"
    assert parsed(CAPACITY).digest == parsed(other).digest
    assert parsed(CAPACITY).digest != parsed(CAPACITY + "name: b\n").digest
    assert parsed(CAPACITY).digest.startswith("sha256:")


def test_shipped_policies() -> None:
    assert {"default", "dolphin"} <= SHIPPED.keys()
    default, dolphin = (read_policy(name, CATALOGUE, SHIPPED) for name in ("default", "dolphin"))
    kinds = ["capacity", "anti_affinity", "spread", "together", "needs", "apart"]
    kinds += ["eligible", "allowed", "maintenance", "journey"]
    assert [r.name for r in default.rules] == kinds
    assert all(getattr(r, "hardness", None) == "must" for r in default.rules)
    assert default.least is Least.MOVES
    left_out = {Balance, HostPressure, Prefer}
    said = "a rule that no shipped policy has is named in left_out"
    assert {type(r) for r in dolphin.rules} == set(CATALOGUE.values()) - left_out, said
    eligible: Any = next(r for r in dolphin.rules if r.name == "eligible")
    assert (eligible.errors, eligible.vm_cap, eligible.memory_floor_mib) == (3, 135, 512)


def test_the_old_name_of_a_policy_loads_the_same() -> None:
    new, old = (read_policy(name, CATALOGUE, SHIPPED) for name in ("public-cloud", "dolphin"))
    assert new.name == old.name == "public-cloud"
    assert (new.rules, new.digest) == (old.rules, old.digest)


def test_a_healthy_fleet_is_content_with_the_shipped_policies() -> None:
    healthy = fleet(
        [host(f"h{i}", cpu=64000, memory=131072, disk=10**6, error_count=0, rack=f"r{i}") for i in range(3)],
        [vm(f"v{i}", f"h{i % 3}", cpu=2000, memory=8192, disk=51200, owner=f"u{i}") for i in range(9)],
    )
    for name in SHIPPED:
        policy = read_policy(name, CATALOGUE, SHIPPED)
        assert [v for rule in policy.rules for v in rule.check(State.start(healthy))] == []


def test_the_catalogue_goes_by_kind() -> None:
    assert all(getattr(rule, "kind", None) == kind for kind, rule in CATALOGUE.items())
    assert list(CATALOGUE) == sorted(CATALOGUE), "the catalogue is sorted by kind"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "", "expected a mapping with format"),
        ("- a\n- b", "", "a mapping"),
        ("rules: [{rule: capacity}]", "format", "has to be given"),
        ("format: remora-policy/2\nrules: [{rule: capacity}]", "format", "remora-policy/1"),
        (HEAD, "rules", "has to be given"),
        (HEAD + "rules: []", "rules", "at least 1"),
        (HEAD + "rules: [3]", "rules[0]", "a mapping"),
        (HEAD + "rules: {rule: capacity}", "rules", "list"),
        (HEAD + "rules: [{}]", "rules[0].rule", "the name of a rule"),
        (HEAD + "rules: [{rule: [capacity]}]", "rules[0].rule", "the name of a rule"),
        (HEAD + "rules: [{rule: capacty}]", "rules[0].rule", "did you mean capacity?"),
        (HEAD + "rules: [{rule: zzz}]", "rules[0].rule", "there are allowed"),
        (HEAD + "rules: [{rule: eligible, error: 3}]", "rules[0].error", "did you mean errors?"),
        (HEAD + "rules: [{rule: eligible, errors: many}]", "rules[0].errors", "a whole number"),
        (HEAD + "rules: [{rule: eligible, errors: -1}]", "rules[0].errors", "at least 0"),
        (HEAD + "rules: [{rule: eligible, vms_per_cpu: .nan}]", "rules[0].vms_per_cpu", "finite"),
        (HEAD + "rules: [{rule: eligible, busy: [lunch]}]", "rules[0].busy[0]", "one of create, restore"),
        (HEAD + "rules: [{rule: eligible, hardness: should}]", "rules[0].hardness", "expected must"),
        (RATIO, "rules[0].overcommit[0].ratio", "at most 6 decimals"),
        (HEAD + "rules: [{rule: journey, unmovable: {times: 3}}]", "rules[0].unmovable.within_s", "has to be given"),
        (HEAD + "rules: [{rule: budget, limits: [{per: run}]}]", "rules[0].limits[0]", "needs moves or gib"),
        (HEAD + "rules: [{rule: capacity, price: 3}]", "rules[0]", "a price belongs to a should"),
        (HEAD + "rules: [{rule: capacity, name: '<b>'}]", "rules[0].name", "lower-case letters"),
        (HEAD + "rules: [{rule: capacity}, {rule: capacity}]", "rules[1].name", "a name that no other rule has"),
        (CAPACITY + "ruls: 1", "ruls", "did you mean rules?"),
        (CAPACITY + "least: move", "least", "one of moves, weighted"),
        (HEAD + 'rules: [{rule: allowed, pinned: ["\\ud800"]}]', "", "JSON"),
        (CAPACITY + "name: ''", "name", "at least 1 character"),
        (CAPACITY + "expires_after_s: 0", "expires_after_s", "at least 1"),
        (CAPACITY + "concurrency: {fleet: 0}", "concurrency.fleet", "at least 1"),
        (CAPACITY + "concurrency: {per_domain: {rack: 0}}", "concurrency.per_domain.rack", "at least 1"),
        (CAPACITY + "concurrency: {per_group: 0}", "concurrency.per_group", "at least 1"),
        (CAPACITY + "concurrency: {groups: {db: none}}", "concurrency.groups.db", "a whole number"),
        (CAPACITY + "concurrency: {per_label: {tier: -1}}", "concurrency.per_label.tier", "at least 1"),
        (CAPACITY + "concurrency: {per_host: 1}", "concurrency.per_host", "a field that is known here"),
        (CAPACITY + "expires_after_s: 1000000000000000000000000000000", "expires_after_s", "64 bits"),
        (CAPACITY + "name: 2026-11-21", "name", "put it in quotes"),
        (CAPACITY + "x_set: !!set {a}", "x_set", "put it in quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_path(text: str, path: str, said: str) -> None:
    error = refusal(text)
    assert error.path == path, error
    assert said in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nname: b", "twice"),
        ("a: {b: 1, b: 2}", "twice"),
        ("a: &a [1]\nb: *a", "an alias"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "an alias"),
        ("a: " + "[" * 100_000, "nesting"),
        ("a: " + "{a: " * 100_000, "nesting"),
        ("a:\n" + "".join(" " * i + "- \n" for i in range(1, 30)) + " " * 30 + "- a", "nesting"),
        ("1: a", "a key has to be text"),
        ("? [a]\n: b", "a key has to be text"),
        ("<<: {a: 1}", "a key has to be text"),
        ("a: !!python/object/apply:os.system [ls]", "a tag"),
        ("a: 2026-99-99", "a date or a number that is none"),
        ("a: " + "9" * 5000, "a number that is none"),
        ("a: [1", "expected"),
        ("a: 'b", "a quote that is opened"),
        ("a: \x01", "a control character"),
        ("--- a\n--- b", "more after the end"),
        ("<html><body>Not found</body></html>\n<a>: b: c", "a colon where no key may begin"),
    ],
)
def test_yaml_from_strangers(text: str, said: str) -> None:
    assert said in str(refusal(text))


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        load_yaml(b"a: \xff\xfe", "p.yaml")


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "mine.yaml"
    good.write_text(CAPACITY + "name: mine\n", encoding="utf-8")
    assert read_policy(str(good), CATALOGUE).name == "mine"
    assert read_policy(good, CATALOGUE, SHIPPED).name == "mine"
    nameless = tmp_path / "night shift.v2.yaml"
    nameless.write_text(CAPACITY, encoding="utf-8")
    assert read_policy(nameless, CATALOGUE).name == "night-shift"
    with pytest.raises(InputError, match=r"did you mean dolphin\?"):
        read_policy("dolfin", CATALOGUE, SHIPPED)
    with pytest.raises(InputError, match="the name or the path of a policy"):
        read_policy(tmp_path, CATALOGUE, SHIPPED)
    with pytest.raises(InputError):
        read_policy("a\x00b", CATALOGUE, SHIPPED)
    good.write_bytes(b"#" * (SIZE_LIMIT + 1))
    with pytest.raises(InputError, match="mebibyte"):
        read_policy(good, CATALOGUE)


# -- against a fleet ----------------------------------------------------------------------------------------------


def test_a_required_fact_that_is_missing_is_an_error() -> None:
    bare = fleet([host("h0"), host("h1")], [vm("v0", "h0")])
    wish = HEAD + "rules: [{rule: journey, baby_s: 60%s}]\n"
    assert [(n.rule, n.what, n.vms) for n in missing_required(parsed(wish % ""), bare)] == [
        ("journey", "created_at", 1)
    ]
    with pytest.raises(InputError, match=r"journey.require: 'created_at'.*missing for 1 VM;"):
        missing_required(parsed(wish % ", require: [created_at]"), bare)
    aged = fleet([host("h0")], [vm("v0", "h0", created_at="2026-01-01T00:00:00Z")])
    assert missing_required(parsed(wish % ", require: [created_at]"), aged) == []


def test_a_fact_that_the_rule_does_not_read_cannot_be_required() -> None:
    assert "no fact that this rule reads" in str(refusal(HEAD + "rules: [{rule: journey, require: [creatd_at]}]"))


def test_a_level_that_the_fleet_does_not_have_is_an_error() -> None:
    wish = parsed(HEAD + "rules: [{rule: anti_affinity, by: owner, level: rak}]")
    with pytest.raises(InputError, match=r"rules\[0\].level: 'rak'.*did you mean rack\?"):
        refuse_unknown_names(fleet([host("h0")], []), wish)


# -- schema -------------------------------------------------------------------------------------------------------


def test_the_schema_names_every_rule_and_every_parameter() -> None:
    schema = policy_schema(CATALOGUE)
    assert orjson.loads(orjson.dumps(schema)) == schema
    assert set(schema["required"]) == {"format", "rules"}
    kinds = [entry["$ref"].removeprefix("#/$defs/") for entry in schema["properties"]["rules"]["items"]["anyOf"]]
    assert kinds == [f"rule_{kind}" for kind in sorted(CATALOGUE)]
    for kind in CATALOGUE:
        part = schema["$defs"][f"rule_{kind}"]
        assert part["properties"]["rule"] == {"const": kind}
        assert part["required"][0] == "rule"
        assert part["additionalProperties"] is False
        assert {"name", "hardness", "weight", "price", "require"} <= part["properties"].keys()
    references = {r for r in _references(schema)}
    assert {r.removeprefix("#/$defs/") for r in references} <= schema["$defs"].keys()


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [r for v in part.values() for r in _references(v)]
    return [r for v in part for r in _references(v)] if isinstance(part, list) else []


# -- anything at all ----------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
NAMES = st.sampled_from(["rule", "rules", "name", "limits", "busy", "errors", "hosts", "level", "per", "x_a", "least"])
VALUES = st.recursive(
    SCALARS | st.sampled_from(sorted(CATALOGUE)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(sorted(CATALOGUE)), st.dictionaries(NAMES | st.text(max_size=4), VALUES, max_size=4), VALUES)
def test_any_document_is_a_policy_or_an_input_error(kind: str, fields: dict[str, Any], rest: Any) -> None:
    document = {"format": FORMAT, "rules": [fields | {"rule": kind}]}
    if isinstance(rest, dict):
        document |= {k: v for k, v in rest.items() if k != "rules"}
    try:
        assert isinstance(policy_from_document(document, "p", CATALOGUE), Policy)
    except InputError as error:
        assert error.exit_code == 2


@pytest.mark.slow
@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.data())
def test_any_mutation_of_a_shipped_policy_is_a_policy_or_an_input_error(data: st.DataObject) -> None:
    raw = bytearray(SHIPPED["dolphin"].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"[", b": ", b"\n", b"-"])
        )
    try:
        policy_from_document(load_yaml(bytes(raw), "p"), "p", CATALOGUE)
    except InputError:
        return


def test_what_a_policy_does_not_say_of_execution_is_as_where_it_says_nothing_of_it() -> None:
    assert ExecutionPart().plain() == Execution()
    assert parsed(CAPACITY).execution == parsed(CAPACITY + "execution: {}").execution == Execution()
    assert parsed(CAPACITY + "execution: {canary: 7}").execution == ExecutionPart(canary=7).plain() != Execution()


@pytest.mark.parametrize(
    ("said", "path", "expected"),
    [
        ("[]", "execution", "a mapping (name: value)"),
        ("{canry: 1}", "execution.canry", "a field that is known here"),
        ("{gates: {ask: [{name: a, query: up}]}}", "execution.gates.ask[0]", "parameters that go together"),
        ("{gates: {ask: [{name: a, check: nothing}]}}", "execution.gates.ask[0].check", "the name of a rule"),
    ],
)
def test_what_is_wrong_with_execution_has_its_whole_path(said: str, path: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        parsed(CAPACITY + f"execution: {said}")
    assert error.value.path == path
    assert error.value.expected.startswith(expected)
