"""What the pages say is so: their commands print what stands below them, and nothing that exists is left out."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tomllib
import types
from dataclasses import fields
from random import Random
from typing import TYPE_CHECKING, Any, cast

import click
import pytest

import optimizer.errors
from cli import remora
from constraints import CATALOGUE
from constraints.common import Parameters
from optimizer.errors import RemoraError
from optimizer.fleet import State
from tests import build
from tests.constraints import contract
from tests.documents import ENVIRONMENT, PROGRAM, ROOT, agrees, examples, pages, run_page, updated
from tests.forked import forking, stub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The text of a program that is `remora`, loaded already."""
    directory = tmp_path_factory.mktemp("forking")
    with forking(directory, {"PATH": os.environ["PATH"], "HOME": str(directory), **ENVIRONMENT}) as server:
        yield stub(server)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in pages() if p.exists()], ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path, forked: str) -> None:
    """The README's commands are started as a user does it, the others in a process that has loaded the program."""
    for ran in run_page(page, tmp_path, PROGRAM if page == ROOT / "README.md" else forked):
        place = f"{page.relative_to(ROOT)}:{ran.example.line + 1}: $ {ran.example.command}"
        printed = "\n".join(ran.printed)
        assert ran.exit_code == ran.example.exit_code, f"{place}\n{printed}"
        assert ran.as_written, f"{place} (python -m tests.update_documents)\n--- printed:\n{printed}"


def test_the_readme_shows_commands() -> None:
    assert any(e.command.startswith("remora plan") for e in examples((ROOT / "README.md").read_text("utf-8")))


def commands() -> list[tuple[str, click.Command]]:
    """Return every command with its full name, groups opened."""

    def walk(group: click.Group, prefix: str) -> list[tuple[str, click.Command]]:
        out = []
        for name, command in group.commands.items():
            out.append((f"{prefix} {name}", command))
            if isinstance(command, click.Group):
                out += walk(command, f"{prefix} {name}")
        return out

    return walk(remora, "remora")


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    sections = re.split(r"^## +", (DOCS / "commands.md").read_text("utf-8"), flags=re.MULTILINE)
    section = next((s for s in sections if re.match(rf"`?{name}\b(?! [a-z])", s)), None)
    assert section is not None, f"docs/commands.md has no section '## `{name}`'"
    with click.Context(command) as context:
        options = [o for p in command.get_params(context) if isinstance(p, click.Option) for o in p.opts]
    written = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", section))
    assert not set(options) - written - {"-h", "--help"}, f"options of {name} that docs/commands.md does not name"


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
def test_every_rule_has_a_page_that_names_its_parameters(kind: str) -> None:
    page = (DOCS / "rules" / f"{kind}.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)", page))
    own = {f.name for f in fields(cast("Any", CATALOGUE[kind]))} - {f.name for f in fields(Parameters)}
    assert not own - named, f"parameters of {kind} that its page does not name"
    assert f"({kind}.md" in (DOCS / "rules" / "index.md").read_text("utf-8")


def test_the_parameters_of_every_rule_are_documented() -> None:
    named = set(re.findall(r"`(\w+)", (DOCS / "policy.md").read_text("utf-8")))
    assert not {f.name for f in fields(Parameters)} - named, "common parameters that docs/policy.md does not name"


def worked_example(section: str) -> str:
    """Return the code that stands in a section of CONTRIBUTING."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(code)


def test_the_rule_of_the_walk_through_works() -> None:
    code = worked_example("How to add a rule")
    module = types.ModuleType("constraints.quota")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)  # where pydantic looks for the names of annotations
        exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
        rule = module.Quota(at_most=1)
    assert rule.name == "quota"
    vms = [build.vm(f"v{i}", f"h{i // 3}", owner="ann" if i < 5 else "bob") for i in range(6)]
    fleet = build.fleet([build.host(f"h{i}") for i in range(3)], [*vms, build.vm("nobody", "h0")])
    assert [(v.subject, v.domain, v.excess) for v in rule.check(State.start(fleet))] == [
        ("ann", "host:h0", 2),
        ("ann", "host:h1", 1),
    ]
    assert [(n.what, n.vms) for n in rule.not_evaluated(fleet)] == [("owner", 1)]
    problem = contract.rule_problem(fleet, rule)
    for state in contract.random_states(Random(0), fleet, 50):
        assert contract.by_check(rule, state) == contract.by_atoms(problem, rule, state)


def test_every_error_is_in_the_tree() -> None:
    tree = inspect.getdoc(optimizer.errors) or ""
    classes = [c for _, c in inspect.getmembers(optimizer.errors, inspect.isclass) if issubclass(c, RemoraError)]
    assert len(classes) > 3
    for cls in classes:
        assert re.search(rf"\b{cls.__name__}\b", tree), f"{cls.__name__} is not in the docstring of optimizer.errors"


def test_every_page_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        assert f" {page.relative_to(DOCS)}\n" in nav, f"mkdocs.yml does not name {page.relative_to(DOCS)}"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_locked_packages_have_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:)", text, re.MULTILINE), "an option, such as an index"
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+( ; .*)? \\\n", entry), entry.split("\n")[0]
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_locked_packages_agree_with_the_project(name: str) -> None:
    from packaging.requirements import Requirement
    from packaging.version import Version

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    if "dev" in name:
        wanted += [r for extra in ("dev", "dask") for r in project["project"]["optional-dependencies"][extra]]
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))
    for requirement in map(Requirement, wanted):
        pinned = pins.get(re.sub(r"[-_.]+", "-", requirement.name).lower())
        assert pinned is not None, f"{requirement} is not in {name}: tools/lock.sh"
        assert Version(pinned) in requirement.specifier, f"{requirement}, and {name} has {pinned}: tools/lock.sh"


def test_every_directory_of_tests_is_a_package() -> None:
    """Otherwise two test files of one name in different directories would hide each other."""
    for test in (ROOT / "tests").rglob("test_*.py"):
        assert (test.parent / "__init__.py").exists(), f"{test.parent.relative_to(ROOT)} has no __init__.py"


PAGE = """Text
```console
$ echo one; echo two
one
two
$ echo three; exit 4  # exit 4
three

$ seq 9
1
...
9
```
  ```console
  $ echo "planned in 3.25 s"
  planned in 1.5 s
  ```
"""


def test_a_page_as_it_should_be(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("\n\n$ seq", "\n$ seq"))
    assert [r.as_written for r in run_page(page, tmp_path / "run")] == [True] * 4


def test_a_page_that_is_wrong_is_found_and_put_right(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    right = PAGE.replace("\n\n$ seq", "\n$ seq")
    page.write_text(right.replace("two\n$", "tow\n$").replace("# exit 4", "# exit 3").replace("9\n```", "8\n```"))
    results = run_page(page, tmp_path / "run")
    assert [r.as_written for r in results] == [False, False, False, True]
    new = updated(page.read_text(), results)
    assert new == right.replace("1\n...\n9", "\n".join(map(str, range(1, 10))))


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ([], [], True),
        ([], ["a"], False),
        (["a"], [], False),
        (["a", "...", "c"], ["a", "c"], True),
        (["a", "...", "c"], ["a", "b", "b", "c"], True),
        (["a", "...", "c"], ["a", "b"], False),
        (["..."], [], True),
        (["moves 16"], ["moves 17"], False),
        (["16 moves in 2.5 s"], ["16 moves in 31.25 s"], True),
        (["peak_rss_mib 1"], ["peak_rss_mib 2 and more"], False),
    ],
)
def test_comparison(expected: list[str], printed: list[str], same: bool) -> None:
    assert agrees(expected, printed) is same
