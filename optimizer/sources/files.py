"""Bytes in, bytes out: files read whole (compressed or not), files written whole or not at all, JSON parsed.

Everything that can be wrong with a file ends as an `InputError` that names it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import lzma
import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from optimizer.errors import InputError
from optimizer.sources.duplicate_keys import duplicate_key, may_have_duplicates
from optimizer.sources.garbage import nothing_collected

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["canonical_digest", "is_path", "json_bytes", "parse_json", "read_bytes", "unpacked", "write_whole"]

PACKED = (".gz", ".xz")
SIZE_LIMIT = 4 * 2**30
"""No document is larger than this, compressed or not."""

RATIO_LIMIT = 200
"""A snapshot shrinks about tenfold; what unpacks to more than this (beyond `FREE_BYTES`) is a bomb."""

FREE_BYTES = 64 * 2**20
CHUNK = 2**20
XZ_MEMORY = 512 * 2**20
"""The largest dictionary that an .xz may ask for (level 9 needs 65 MiB)."""


def is_path(text: str) -> bool:
    """Whether a text that may be a name as well looks like the path of a file: it has a slash or a dot."""
    return "/" in text or "." in text


def unpacked(path: Path) -> Path:
    """Return the name of what is in a file: without the ``.gz`` or ``.xz`` of one that is packed."""
    return path.with_suffix("") if path.suffix in PACKED else path


def read_bytes(path: Path | str) -> bytes:
    """Return the content of a file, unpacked if its name ends in ``.gz`` or ``.xz``.

    Raises
    ------
    InputError
        If it cannot be read, is no file, is damaged, or unpacks to an absurd size.
    """
    path, where = Path(path), str(path)
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError(where, "", "a directory" if stat.S_ISDIR(mode) else "a device", "a file")
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise InputError(where, "", _reason(error), "a file that can be read") from error
    if len(raw) > SIZE_LIMIT:
        raise InputError(where, "", "a larger file", f"at most {SIZE_LIMIT} bytes")
    return _unpack(raw, path.suffix, where)


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file so that at no instant a part of it stands there; pack it if its name ends in ``.gz`` or ``.xz``.

    The bytes go to a new file in the same directory, to the disk, and then take the place of the old file.

    Raises
    ------
    InputError
        If the place cannot be written; the old file is then untouched.
    """
    where = str(path)
    data = _pack(data, Path(path).suffix)
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a pipe or a terminal has no old content to keep
            return
        _replace(target, data)
    except (OSError, ValueError) as error:
        raise InputError(where, "", _reason(error), "a place that can be written") from error


STARTS = {
    b"\xef\xbb\xbf": "a byte order mark does not belong there",
    b"\xff\xfe": "it is UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is UTF-16: save it as UTF-8",
    b"\x1f\x8b": "it is packed by gzip: its name has to end with .gz",
    b"\xfd7zXZ": "it is packed by xz: its name has to end with .xz",
    b"SQLite format 3": "it is a database, a ledger perhaps",
}
"""How files begin that are mistaken for JSON, and what they are."""


def parse_json(data: bytes, where: str) -> Any:
    """Parse one JSON document.

    Raises
    ------
    InputError
        For anything that is not JSON (NaN, comments, a second document, nesting beyond 1024), with line and column;
        for a key that stands twice in one object, with its path and line.
    """
    try:
        with nothing_collected():
            document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InputError(where, at, error.doc[error.pos : error.pos + 20], *_no_json(data, error.msg)) from error
    if may_have_duplicates(data, document) and (found := duplicate_key(data)) is not None:
        hint = f"line {found.line} has it again, and nobody knows which of the two is meant: leave one"
        raise InputError(where, found.path, found.key, "each key once in an object", hint)
    return document


def _no_json(data: bytes, said: str) -> tuple[str, str]:
    """Return what was expected instead of bytes that are no JSON, and what they seem to be."""
    for start, hint in STARTS.items():
        if data.startswith(start):
            return "JSON", hint
    if not data.strip():
        return "JSON", "the file is empty"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return "JSON in UTF-8", f"byte {error.start + 1} of the file is no UTF-8"
    if data.lstrip()[:1] not in b"{[":
        return "JSON", f"{said}; a document begins with {{"
    return "JSON", said


def json_bytes(document: object, *, indent: bool = True) -> bytes:
    """Return a document as JSON in UTF-8, one field a line if `indent`, with a newline at the end."""
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(document, option=options | orjson.OPT_INDENT_2 if indent else options)


def canonical_digest(document: object, where: str = "document") -> str:
    """Return ``sha256:...`` of the document's canonical JSON: keys sorted, no spaces.

    Raises
    ------
    InputError
        If the document cannot be said in JSON.
    """
    try:
        canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError) as error:
        raise InputError(
            where, "", type(document).__name__, "a document that can be said in JSON", str(error)
        ) from None
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unpack(raw: bytes, suffix: str, where: str) -> bytes:
    opener = {".gz": _gunzip, ".xz": _unxz}.get(suffix)
    if opener is None:
        return raw
    limit = min(SIZE_LIMIT, FREE_BYTES + RATIO_LIMIT * len(raw))
    out, size = [], 0
    try:
        for chunk in opener(raw):
            size += len(chunk)
            if size > limit:
                raise InputError(where, "", f"more than {limit} bytes from {len(raw)}", "a file that unpacks to less")
            out.append(chunk)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        expected = f"a whole {suffix} file"
        raise InputError(where, "", str(error) or type(error).__name__, expected, "it is damaged or cut off") from error
    return b"".join(out)


def _gunzip(raw: bytes) -> Iterator[bytes]:
    if not raw:
        raise EOFError("empty file")
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _unxz(raw: bytes) -> Iterator[bytes]:
    if not raw:
        raise EOFError("empty file")
    while raw:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        feed = raw
        while not stream.eof:
            chunk = stream.decompress(feed, CHUNK)
            feed = b""
            if not chunk and stream.needs_input and not stream.eof:
                raise EOFError("the file ends before its end-of-stream marker")
            yield chunk
        raw = stream.unused_data.lstrip(b"\0")


def _pack(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data, mtime=0)  # no time stamp: the same content is the same file
    return lzma.compress(data) if suffix == ".xz" else data


def _replace(target: Path, data: bytes) -> None:
    handle, temporary = _fresh(target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _fresh(directory: Path) -> tuple[int, Path]:
    """Open a new file beside the target; `os.open` rather than `tempfile`, so that the user's umask counts."""
    for number in itertools.count():
        temporary = directory / f".remora-{os.getpid()}-{number}.partial"
        try:
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary
        except FileExistsError:
            continue
    raise AssertionError("unreachable")
