"""Names of switches: ids, levels, globs, files; what means nothing is refused with what it may have meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.fleet.selection import host_mask, named_hosts, named_vms
from optimizer.scope import Scope
from optimizer.sources.scope_words import (
    expanded,
    host_words,
    only_words,
    scope_document,
    scope_from_document,
    vm_words,
)
from tests.build import fleet, host, vm

if TYPE_CHECKING:
    from pathlib import Path

FLEET = fleet(
    [
        host("hv01.fra1", memory=8, rack="r1"),
        host("hv02.fra1", memory=8, rack="r1"),
        host("hv03.ams1", memory=8, rack="r2"),
        host("rack:r1", memory=8, rack="r2"),
        host("odd[1]", memory=8, rack="r2"),
    ],
    [vm("web-1", "hv01.fra1", memory=1, groups=["web"]), vm("web-2", "hv02.fra1", memory=1, groups=["web"])],
)
RULES = ["capacity", "anti_affinity"]


def names(word: str) -> list[str]:
    return [FLEET.hosts.ids[h] for h in named_hosts(FLEET, word)]


def test_a_host_is_meant_by_its_id_its_level_or_a_glob_and_its_own_id_comes_first() -> None:
    assert names("hv01.fra1") == ["hv01.fra1"]
    assert names("rack:r2") == ["hv03.ams1", "rack:r1", "odd[1]"]
    assert names("rack:r1") == ["rack:r1"]
    assert names("rack:r[1]") == ["hv01.fra1", "hv02.fra1"]
    assert names("host:hv0?.fra1") == names("*.fra1") == ["hv01.fra1", "hv02.fra1"]
    assert names("odd[1]") == ["odd[1]"]
    assert names("hv01") == names("rack:") == names("row:r1") == []
    assert named_vms(FLEET, "web-*") == [0, 1]
    assert host_mask(FLEET, []).tolist() == [False] * 5


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("hv03", "did you mean hv03.ams1?"),
        ("HV01.fra1", "did you mean hv01.fra1?"),
        ("hv01.fra2", "did you mean hv01.fra1?"),
        ("rack:R2", "did you mean rack:r2?"),
    ],
)
def test_a_name_that_means_no_host_is_refused_with_what_it_may_have_meant(word: str, hint: str) -> None:
    with pytest.raises(InputError, match=r"--drain") as caught:
        host_words("--drain", [word], FLEET)
    assert caught.value.hint == hint


@pytest.mark.parametrize("word", ["", "nothing*", "zzz", "rack:zz*", "group:web"])
def test_what_is_like_nothing_is_refused_without_a_guess(word: str) -> None:
    with pytest.raises(InputError):
        host_words("--to", [word], FLEET)
    with pytest.raises(InputError):
        vm_words("--exclude", [word], FLEET)


def test_only_says_which_kind_and_asks_where_two_have_the_name() -> None:
    def only(*words: str) -> tuple[str, ...]:
        return only_words("--only", words, FLEET, RULES, ["web", "hv03.ams1"])

    assert only("capacity", "web", "hv01.fra1", "rack:r2", "rule:anti*", "group:web", "capacity") == (
        "rule:capacity",
        "group:web",
        "host:hv01.fra1",
        "rack:r2",
        "rule:anti*",
    )
    with pytest.raises(InputError, match=r"say which: group:hv03\.ams1, host:hv03\.ams1"):
        only("hv03.ams1")
    assert only("host:hv03.ams1") == ("host:hv03.ams1",)
    with pytest.raises(InputError, match=r"did you mean capacity\?"):
        only("capasity")
    with pytest.raises(InputError, match=r"did you mean"):
        only("group:wb")


def test_a_file_of_names(tmp_path: Path) -> None:
    listed = tmp_path / "hosts.txt"
    listed.write_text("# from the ticket\nhv01.fra1\n\n  hv02.fra1  \nhv01.fra1\r\n", encoding="utf-8")
    assert expanded([f"@{listed}", "hv03.ams1", "hv02.fra1"]) == ("hv01.fra1", "hv02.fra1", "hv03.ams1")
    assert host_words("--drain", [f"@{listed}"], FLEET) == ("hv01.fra1", "hv02.fra1")
    listed.write_text("# nobody\n")
    with pytest.raises(InputError, match=r"a file with at least one name"):
        expanded([f"@{listed}"])
    listed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"UTF-8"):
        expanded([f"@{listed}"])
    with pytest.raises(InputError, match=r"a file that can be read"):
        expanded([f"@{tmp_path / 'absent'}"])


def test_a_scope_is_read_as_it_was_written() -> None:
    scope = Scope(("h",), ("v",), ("rule:x",), ("a",), ("b",), 0, 7, True, ("h",), balance=("memory_mib",))
    assert scope_from_document(scope_document(scope)) == scope
    assert scope_document(Scope()) == {}
    assert not Scope()
    assert Scope(max_moves=0)
