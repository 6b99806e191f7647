"""Shapes: each atom is known by one, and nobody passes over an atom that has none."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
import pytest

import optimizer
from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.cp.model import Model, complete_candidates
from optimizer.decompose.partition import partition, parts_for
from optimizer.decompose.subproblem import Cut
from optimizer.fleet import Move
from optimizer.parameters import Parts
from optimizer.planning.advice import Outlook
from optimizer.planning.describe import highest_load
from optimizer.problem import atoms as vocabulary
from optimizer.problem.atoms import Apart, Asked, AtLeast, AtMost, Atom, Leave, Linear, Needs, Same
from optimizer.problem.demands import Demands
from optimizer.problem.enumerate import best_placement, placements
from optimizer.problem.evaluate import evaluate, hard_breaches, placement_cost
from optimizer.problem.exactness import check_exact
from optimizer.problem.instance import Instance
from optimizer.problem.naming import name_of, subjects
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness, Violation
from optimizer.problem.shapes import HARMING, SHAPES, SUM, ByShape, Shape, shape_of
from optimizer.problem.tally import Tally
from optimizer.problem.working_placement import WorkingPlacement, sizes
from optimizer.reachability.contention import Contention
from optimizer.report.loads import meters
from optimizer.verify.proof_model import WholeModel
from optimizer.verify.proof_rows import Relaxed
from tests.build import fleet, host, vm
from tests.problem.random_problems import KINDS, random_problem
from tests.problem.tiny import MUST, problem, room, sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.problem.problem import Problem

ROOMS = ("optimizer", "constraints", "benchmarks", "commands")
ALLOWED = 6
"""Files that may know atoms by their class."""

MOVES = [Move(0, 0, 1)]

EMPTY = {"{}", "[]", "dict()", "list()", "set()", "defaultdict(list)", "defaultdict(dict)", "Counter()"}
"""What a module would fill later on."""


class Plain:
    """An atom by its fields alone."""

    asked = MUST
    rule = "r"
    level = 0
    sides = (sets([0, 1]),)
    sets = sides[0]
    k = np.array([1])
    vms = np.array([0], np.int32)
    hosts = np.array([True, False])

    def limit_of(self, member: int) -> int:
        return 1


class Odd(Plain):
    """An atom of a shape that nobody has heard of, though it says all that a shape says."""

    shape: ClassVar[Shape] = Shape("odd", has_excess=True, by_domain=True, leaving_repairs=True)


class Heir(AtMost):
    """An atom made from another has its shape, but to the reference evaluator it is a stranger."""


class OfPlain:
    """A rule that asks for it."""

    name = "odd"
    understands: frozenset[str] = frozenset()

    def __init__(self, atom: Any) -> None:
        self.atom = atom

    def lower(self, fleet: Any) -> list[Any]:
        return [self.atom]


READERS: dict[str, Callable[[Problem], object]] = {
    "tally": Tally,
    "sizes": sizes,
    "working placement": lambda p: WorkingPlacement(p).values(),
    "contention": lambda p: Contention(p).contended(MOVES),
    "contention of what is broken": lambda p: Contention(p).broken(MOVES),
    "contention of groups": lambda p: Contention(p).together(MOVES),
    "relaxation": lambda p: EvictionRelaxation(p).rows,
    "bounds": lambda p: Bounds(EvictionRelaxation(p), np.ones(p.vms), lambda: False).evictions,
    "CP-SAT": lambda p: Model(p, p.start, complete_candidates(p)),
    "parts": lambda p: parts_for(p, 2, Parts()),
    "partition": lambda p: partition(p, 2, np.zeros(p.hosts, np.int64)),
    "subproblem": lambda p: Cut(p, np.array([0, 1], np.int32), np.zeros(p.vms, np.bool_)).subproblem(0),
    "placements": lambda p: list(placements(p)),
    "enumeration": best_placement,
    "evaluation": lambda p: evaluate(p, p.start.tolist()),
    "hard breaches": lambda p: hard_breaches(p, MOVES),
    "cost": lambda p: placement_cost(p, p.start.tolist()),
    "proof rows": lambda p: Relaxed(p).rows,
    "proof model": lambda p: WholeModel(p, Relaxed(p), 1000),
    "exact sums": lambda p: check_exact(p, "fleet"),
    "description": lambda p: highest_load(p, p.start, MOVES),
    "movable": lambda p: p.movable,
    "arrivals": lambda p: p.may_enter(0),
    "names": lambda p: name_of(p, Instance(0, 0, 0)),
    "subjects": lambda p: list(subjects(p, 0)),
    "advice": lambda p: _outlook(p).advise(Violation("r", "h0", Hardness.MUST, 2, 1, 1)),
}

REFERENCE = {"placements", "enumeration", "evaluation", "hard breaches", "cost"}
"""Readers that ask the reference evaluator, which knows atoms by their class."""


def _outlook(asked: Problem) -> Outlook:
    whole = fleet([host("h0"), host("h1")], [vm("v0", "h0"), vm("v1", "h0")])
    return Outlook(whole, asked, asked.start, [])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [Plain, Odd])
def test_an_unknown_atom_is_refused_by_every_reader(reader: str, kind: type) -> None:
    strange: Any = kind()
    with pytest.raises(TypeError, match=kind.__name__):
        READERS[reader](problem([0, 0], [strange]))


@pytest.mark.parametrize("kind", [Plain, Odd])
def test_an_unknown_atom_is_refused_where_a_problem_is_built(kind: type) -> None:
    rule: Any = OfPlain(kind())
    whole = fleet([host("h0"), host("h1")], [vm("v0", "h0")])
    with pytest.raises(TypeError, match=kind.__name__):
        build(whole, [rule])
    with pytest.raises(TypeError, match=kind.__name__):
        meters(whole, [rule.atom])


@pytest.mark.parametrize("reader", READERS)
def test_an_atom_of_a_known_shape_is_known_to_every_reader_but_the_reference(reader: str) -> None:
    made = problem([0, 0], [Heir(MUST, 0, sets([0, 1]), np.array([1]))], hosts=2)
    if reader not in REFERENCE:
        READERS[reader](made)
    elif reader != "enumeration":
        with pytest.raises(TypeError, match="Heir"):
            READERS[reader](made)


def test_an_atom_of_a_known_shape_is_measured_by_its_shape() -> None:
    made = problem([0, 0], [Heir(MUST, 0, sets([0, 1]), np.array([1]))])
    assert [t.excess() for t in Tally(made).sets] == [{0: 1}]
    assert [row.excess for row in EvictionRelaxation(made).rows] == [1]
    assert [row.excess for row in Relaxed(made).rows] == [1]


def test_a_reader_that_leaves_a_shape_out_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError, match="my reader has nothing to do with an atom of the shapes count, pair"):
        ByShape("my reader", {SUM: 1})
    ByShape("my reader", {SUM: 1}, (SUM,))


@pytest.mark.parametrize("module", [m.name for m in pkgutil.walk_packages(optimizer.__path__, "optimizer.")])
def test_every_module_can_be_imported(module: str) -> None:
    """Tables of shapes are made when their module is imported, and many are imported late."""
    if "__main__" not in module:
        importlib.import_module(module)


def test_a_shape_that_is_not_met_is_refused_with_both_names() -> None:
    crowd = AtMost(MUST, 0, sets([0]), np.array([1]))
    with pytest.raises(TypeError, match=r"my reader has nothing to do with AtMost \(count\)"):
        ByShape("my reader", {SUM: 1}, (SUM,))[crowd]


def test_every_shape_is_that_of_an_atom() -> None:
    kinds = get_args(Atom)
    assert {c.shape for c in kinds} == set(SHAPES)
    for kind in kinds:
        shape = kind.shape
        assert shape.has_excess == ("asked" in kind.__dataclass_fields__) == (shape in HARMING)
        assert shape.has_excess + shape.is_hard + shape.is_cost == 1
        made: Any = object.__new__(kind)
        assert shape_of(made) is shape


def test_every_table_of_shapes_is_named_where_a_new_shape_is_explained() -> None:
    top = Path(__file__).parents[2]
    section = (
        (top / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .partition("## How to add an atom")[2]
        .partition("\n## ")[0]
    )
    with_tables = [f for room in ROOMS for f in sorted((top / room).rglob("*.py")) if "= ByShape(" in f.read_text()]
    assert len(with_tables) > 15
    assert [str(f.relative_to(top)) for f in with_tables if f"{f.name}`" not in section] == []


def test_every_atom_that_repairs_has_random_instances() -> None:
    drawn = {type(atom) for kind in KINDS for atom in random_problem(Random(0), kinds=[kind], in_flight=False).atoms}
    assert drawn == {kind for kind in get_args(Atom) if not kind.shape.is_cost}
    assert {kind.shape for kind in drawn if kind.shape.has_excess} == set(HARMING)


def test_atoms_are_sorted_once_each_under_its_own_number() -> None:
    crowd, total = AtMost(MUST, 0, sets([0, 1]), np.array([1])), room([1, 1], [1, 1])
    leave = Leave(MUST, np.array([0], np.int32), np.array([True, False]))
    found = Demands.of([crowd, leave, total])
    assert (found.counts, found.leaves, found.sums) == ({0: crowd}, {1: leave}, {2: total})
    assert (found.groups, list(found.harming)) == ({0: crowd}, [0, 1, 2])
    assert list(found.asked) == [MUST] * 3


def test_one_instance_has_one_name() -> None:
    pair = sets([0]), sets([1])
    asked = Asked("r")
    every: list[Atom] = [
        room([1, 1], [1, 1]),
        AtMost(asked, 0, sets([0, 1]), np.array([1])),
        Apart(asked, 0, *pair),
        AtLeast(asked, 0, sets([0, 1]), np.array([2])),
        Needs(asked, 0, *pair),
        Same(asked, 0, sets([0, 1])),
        Leave(asked, np.array([1], np.int32), np.array([True, False])),
    ]
    made = problem([0, 0], every)
    names = [str(name_of(made, Instance(n, 1 if isinstance(a, Leave) else 0, 0))) for n, a in enumerate(every)]
    first = every[0]
    assert isinstance(first, Linear)
    host_id, level = made.host_ids[0], made.levels[0]
    group = every[1].sets.ids[0] if isinstance(every[1], AtMost) else ""
    assert names == [
        f"{first.asked.rule}:{host_id} {first.resource}",
        f"r:{group} {level}:{host_id}",
        f"r:{group}|{group} {level}:{host_id}",
        f"r:{group}",
        f"r:{group}|{group}",
        f"r:{group}",
        f"r:{made.vm_ids[1]}",
    ]


@pytest.mark.slow
def test_no_module_remembers_anything() -> None:
    """Whoever calls holds what should be remembered: a cache of a module outlives every run, and all share it.

    The list of benchmark cases, which each case adds itself to when it is imported, is none.
    """
    top = Path(__file__).parents[2]
    for path in (f for r in ROOMS if r != "benchmarks" for f in sorted((top / r).rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Global), path
            if isinstance(node, ast.FunctionDef):
                names = {_named(n) for d in node.decorator_list for n in ast.walk(d)}
                assert not names & {"cache", "lru_cache"}, (path, node.name)
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                constant = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Mapping")
                assert constant or ast.unparse(node.value) not in EMPTY, (path, node.lineno)


# -- who knows atoms by their class ------------------------------------------------------------------------------------


def _known_by_class(path: Path) -> Iterator[int]:
    """Yield the lines where a file asks of which class an atom is: isinstance, match on classes, `type(x) is`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = _names(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"isinstance", "issubclass"}
        ):
            asked: list[ast.AST] = [node.args[1]]
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        elif (
            isinstance(node, ast.Compare) and isinstance(node.left, ast.Call) and ast.unparse(node.left.func) == "type"
        ):
            asked = list(node.comparators)
        else:
            continue
        if any(_named(part) in names for root in asked for part in ast.walk(root)):
            yield node.lineno


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _names(tree: ast.AST) -> set[str]:
    """Return what atoms are called in a file: their names, names they are imported as, unions and tuples of them."""
    names = {c.__name__ for c in get_args(Atom)} | {"Atom", "Harming", "Group"}
    assert all(hasattr(vocabulary, name) for name in names)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname and alias.name in names}
    before = 0
    while len(names) > before:
        before = len(names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign) and any(
                _named(n) in names for n in ast.walk(node.value or node)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {_named(t) for t in targets}
    return names - {""}


@pytest.mark.slow
def test_few_files_know_atoms_by_their_class() -> None:
    top = Path(__file__).parents[2]
    files = [f for r in ROOMS for f in sorted((top / r).rglob("*.py"))]
    found = {str(f.relative_to(top)): lines for f in files if (lines := list(_known_by_class(f)))}
    assert len(files) > 200
    assert len(found) <= ALLOWED, found


def test_the_count_sees_through_other_names(tmp_path: Path) -> None:
    for text in (
        "from optimizer.problem.atoms import Linear\nisinstance(a, Linear)",
        "from optimizer.problem.atoms import Linear as L\nBOTH = (L, int)\nisinstance(a, BOTH)",
        "import optimizer.problem.atoms as x\nisinstance(a, x.Same | x.Needs)",
        "SOME = AtMost | Apart\nMORE = SOME | Same\nisinstance(a, MORE)",
        "match a:\n    case Leave(): pass",
        "type(a) is Linear",
        "KNOWN: tuple[type, ...] = tuple([Linear, Leave])\nisinstance(a, KNOWN)",
    ):
        path = tmp_path / "file.py"
        path.write_text(text)
        assert list(_known_by_class(path)), text
    path.write_text("isinstance(a, int)\nx = [Linear(b)]\nisinstance(x, list)")
    assert not list(_known_by_class(path))
