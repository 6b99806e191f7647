"""Files are read whole or refused, and written whole or not at all."""

from __future__ import annotations

import gc
import gzip
import lzma
import os

import pytest

from optimizer.errors import InputError
from optimizer.sources import files
from optimizer.sources.files import canonical_digest, json_bytes, parse_json, read_bytes, write_whole

CONTENT = b'{"a": [1, 2]}' * 100


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.json.xz"])
def test_what_is_written_is_read(tmp_path, name: str) -> None:
    write_whole(tmp_path / name, CONTENT)
    assert read_bytes(tmp_path / name) == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert ((tmp_path / name).read_bytes() == CONTENT) == (name == "a.json")


@pytest.mark.parametrize("name", ["a.json.gz", "a.json.xz"])
def test_packing_is_reproducible(tmp_path, name: str) -> None:
    write_whole(tmp_path / name, CONTENT)
    first = (tmp_path / name).read_bytes()
    write_whole(str(tmp_path / name), CONTENT)
    assert (tmp_path / name).read_bytes() == first


def test_several_members_are_one_file(tmp_path) -> None:
    (tmp_path / "a.xz").write_bytes(lzma.compress(b"one ") + lzma.compress(b"two") + b"\0\0\0\0")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read_bytes(tmp_path / "a.xz") == read_bytes(tmp_path / "a.gz") == b"one two"


@pytest.mark.parametrize("ending", ["gz", "xz"])
@pytest.mark.parametrize("damage", ["empty", "head", "half", "tail", "flip", "plain"])
def test_damaged_archives_are_refused(tmp_path, ending: str, damage: str) -> None:
    data = bytes(range(256)) * 40
    packed = (gzip if ending == "gz" else lzma).compress(data)
    damaged = {
        "empty": b"",
        "head": packed[:5],
        "half": packed[: len(packed) // 2],
        "tail": packed[:-1],
        "flip": packed[:40] + bytes([packed[40] ^ 255]) + packed[41:],
        "plain": b'{"format": "remora-fleet/1"}',
    }[damage]
    path = tmp_path / f"fleet.json.{ending}"
    path.write_bytes(damaged)
    with pytest.raises(InputError) as caught:
        read_bytes(path)
    assert caught.value.where == str(path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["gz", "xz"])
def test_a_bomb_is_refused_before_it_unpacks(tmp_path, monkeypatch, ending: str) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 2**20)
    packed = (gzip if ending == "gz" else lzma).compress(bytes(100 * 2**20))
    (tmp_path / f"bomb.{ending}").write_bytes(packed)
    with pytest.raises(InputError, match="unpacks to less"):
        read_bytes(tmp_path / f"bomb.{ending}")


def test_a_plain_file_has_a_limit_too(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "SIZE_LIMIT", 10)
    (tmp_path / "a").write_bytes(b"12345678901")
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_bytes(tmp_path / "a")


@pytest.mark.parametrize("name", ["missing.json", "", "sub", "nul\0byte", "x" * 5000, "/dev/null", "missing/a.json"])
def test_what_is_no_file_is_refused(tmp_path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError):
        read_bytes(os.path.join(tmp_path, name))


@pytest.mark.parametrize("name", ["sub", "nul\0byte", "x" * 5000, "missing/a.json"])
def test_what_cannot_be_written_is_refused(tmp_path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError):
        write_whole(os.path.join(tmp_path, name), CONTENT)
    assert [p.name for p in tmp_path.rglob("*")] == ["sub"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "plan.json"
    write_whole(path, b"old")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("optimizer.sources.files.os.fsync", fail)
    with pytest.raises(InputError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_mode_and_link_survive(tmp_path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"new", 0o640)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"", "line 1, column 1"),
        (b'{\n  "a": NaN}', "line 2, column 8"),
        (b'{"a": 1} {', "line 1, column 10"),
        (b'{"a": 1, // why\n "b": 2}', "line 1, column 10"),
        (b'{"a": "\xff"}', "line 1, column 1"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"[" * 5000 + b"]" * 5000, "line 1, column 1026"),
        (b'"\\ud800"', "line 1, column 2"),
        (b'{"a": 1e999}', "line 1, column 7"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: bytes, path: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text, "x.json")
    assert (caught.value.where, caught.value.path) == ("x.json", path)
    assert gc.isenabled()


def test_json_bytes_is_read_back() -> None:
    document = {"b": [1, 2.5, None], "a": "ä"}
    assert parse_json(json_bytes(document), "x") == parse_json(json_bytes(document, indent=False), "x") == document
    assert json_bytes(document).endswith(b"\n")


def test_digest() -> None:
    assert canonical_digest({"a": 1, "b": {"d": 2, "c": 3}}) == canonical_digest({"b": {"c": 3, "d": 2}, "a": 1})
    # printf '{"a":1}' | sha256sum
    assert canonical_digest({"a": 1}) == "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    for odd in ({1: 2}, {"a": 10**30}, {"a": "\ud800"}, {"a": object()}):
        with pytest.raises(InputError):
            canonical_digest(odd)
