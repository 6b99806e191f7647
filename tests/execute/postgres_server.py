"""A real PostgreSQL for the tests: in a directory of its own, reached by a Unix socket only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["missing", "running", "schema_address"]

SETTINGS = (
    "-c",
    "listen_addresses=",
    "-c",
    "fsync=off",
    "-c",
    "shared_buffers=16MB",
    "-c",
    "max_connections=20",
    "-c",
    "autovacuum=off",
)


def program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


def missing() -> str:
    """Say why no PostgreSQL can be started here; empty where one can."""
    if program("initdb") is None or program("postgres") is None:
        return "no PostgreSQL here (apt-get install postgresql): the ledger is tried in SQLite only"
    try:
        import psycopg  # noqa: F401
        import psycopg_pool  # noqa: F401
    except ImportError:
        return "no psycopg here (the extra postgres): the ledger is tried in SQLite only"
    return ""


@contextmanager
def running() -> Iterator[Path]:
    """Run a server; yields the directory of its socket. It refuses to be root, so then it is the user postgres."""
    user = "postgres" if os.getuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="remora-pg-"))
    try:
        if user:
            shutil.chown(home, user)
        os.chmod(home, 0o755)
        data = home / "data"
        init = [str(program("initdb")), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"]
        subprocess.run(init, user=user, cwd=home, check=True, capture_output=True, env=_environment())
        words = [str(program("postgres")), "-D", str(data), "-k", str(home), *SETTINGS]
        log = (home / "log").open("wb")
        server = subprocess.Popen(words, user=user, cwd=home, stdout=log, stderr=log, env=_environment())
        try:
            _wait_for(home, server)
            yield home
        finally:
            server.terminate()
            server.wait(30)
            log.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def schema_address(home: Path, schema: str) -> str:
    """Make a schema, and return the address of a ledger in it."""
    import psycopg

    with psycopg.connect(f"host={home} dbname=postgres user=postgres") as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    options = quote(f"-csearch_path={schema}")
    return f"postgresql:///postgres?host={quote(str(home), safe='')}&user=postgres&options={options}"


def _wait_for(home: Path, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(300):
        try:
            psycopg.connect(f"host={home} dbname=postgres user=postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None:
                raise RuntimeError((home / "log").read_text()) from None
            subprocess.run(["sleep", "0.1"], check=True)
    raise RuntimeError("PostgreSQL does not start: " + (home / "log").read_text())


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
