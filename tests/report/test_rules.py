import pytest

from constraints import CATALOGUE
from optimizer.errors import InputError
from optimizer.report.render import plain_lines
from optimizer.report.rules import describe_rules, find_rule, rule_page, rules_page

FACTS = describe_rules(CATALOGUE)


def test_every_rule_of_the_catalogue_is_described():
    assert [r.rule for r in FACTS] == list(CATALOGUE)
    text = "\n".join(plain_lines(rules_page(FACTS)))
    assert all(name in text for name in CATALOGUE)


@pytest.mark.parametrize("rule", FACTS, ids=lambda r: r.rule)
def test_every_parameter_has_a_type_and_a_word_about_it(rule):
    assert rule.summary.endswith(".")
    for parameter in rule.parameters:
        assert parameter.doc, parameter.name
        assert parameter.type != "any", parameter.name


@pytest.mark.parametrize("rule", FACTS, ids=lambda r: r.rule)
def test_one_rule_shows_its_own_parameters_and_the_common_ones(rule):
    names = [p.name for p in rule.parameters]
    assert {"name", "hardness", "weight", "price", "require"} <= set(names)
    text = "\n".join(plain_lines(rule_page(rule)))
    assert all(name in text for name in names)


def test_types_and_defaults_are_in_words():
    parameters = {p.name: p for p in find_rule(FACTS, "anti_affinity").parameters}
    assert parameters["by"].type == "one of group, owner, label"
    assert parameters["by"].default == "group"
    assert parameters["at_most"].type.startswith("integer >= 1")
    assert parameters["weight"].common
    assert not parameters["by"].common


def test_a_rule_that_is_not_there_is_an_error_with_a_hint():
    with pytest.raises(InputError, match="did you mean capacity"):
        find_rule(FACTS, "capacityy")
