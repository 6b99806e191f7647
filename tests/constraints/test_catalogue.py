"""The catalogue: every file of a rule is in it, and only rules that are asked for are loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import constraints
from constraints import CATALOGUE

PROGRAM = """
import sys
from constraints import CATALOGUE
assert "spread" in CATALOGUE and len(CATALOGUE) > 10
CATALOGUE["capacity"]
print(*sorted(name for name in sys.modules if name.removeprefix("constraints.") in CATALOGUE and "." in name))
"""


def test_every_file_of_a_rule_is_in_the_catalogue() -> None:
    files = Path(constraints.__file__).parent.glob("*.py")
    assert {file.stem for file in files if f'ClassVar[str] = "{file.stem}"' in file.read_text()} == {*CATALOGUE}
    assert all(getattr(rule, "kind", None) == kind for kind, rule in CATALOGUE.items())


def test_only_rules_that_are_asked_for_are_loaded() -> None:
    done = subprocess.run((sys.executable, "-c", PROGRAM), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["constraints.capacity"]


@pytest.mark.parametrize("other", ["common", "hard", "policies", "", ".", "Capacity"])
def test_what_is_no_rule_is_not_in_it(other: str) -> None:
    assert other not in CATALOGUE
    with pytest.raises(KeyError):
        CATALOGUE[other]
