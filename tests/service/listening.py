"""A local HTTP server that keeps what it is sent, and answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Heard", "listening"]


class Heard:
    """What was sent: (path, headers, document); `answers` are the next ones, then `last` for ever."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[int | str] = []
        self.last: int | str = 200
        self.url = ""
        self._changed = threading.Condition()

    def add(self, path: str, headers: dict[str, str], document: Any) -> None:
        with self._changed:
            self.got.append((path, headers, document))
            self._changed.notify_all()

    def wait(self, number: int) -> list[Any]:
        """Wait until so many have arrived; returns the documents."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= number, 10), self.got
        return [document for _, _, document in self.got]

    def next(self) -> int | str:
        return self.answers.pop(0) if self.answers else self.last


@contextmanager
def listening() -> Iterator[Heard]:
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            heard.add(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body))
            how = heard.next()
            with suppress(OSError):
                if isinstance(how, str):
                    getattr(self, f"_{how}")()
                else:
                    self.send_response(how)
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                    self.send_header("Content-Length", "9")
                    self.end_headers()
                    self.wfile.write(b"an answer")

        def _hangs(self) -> None:
            time.sleep(3)

        def _drips(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(40):
                self.wfile.write(b"X-A: b\r\n")
                self.wfile.flush()
                time.sleep(0.1)

        def _closes(self) -> None:
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
