"""A Prometheus of a generated fleet: every query of a configuration has its answer ready."""

from __future__ import annotations

import json
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

from optimizer.signals.asking import CLOCK, info_query, newest_query, samples_query
from optimizer.signals.config import SignalsPart, wanted_signals
from optimizer.signals.signal import Of
from optimizer.sources.config_yaml import read_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.signals.config import Wanted

__all__ = ["answers"]

Rows = list[tuple[dict[str, str], float]]
COMMON = {"job": "hypervisors", "cluster": "nyc3", "env": "production"}


def answers(config: Path, snapshot: Path, seed: int = 0) -> dict[str, Rows]:
    """Return the rows of the answer to each query."""
    document = json.loads(snapshot.read_text("utf-8"))
    rng = random.Random(seed)
    settings = read_config(config)
    part = settings.section("signals", SignalsPart)
    out: dict[str, Rows] = {}
    for one in wanted_signals(settings, part):
        labels = _labels(one, document)
        out[one.signal.query] = [(of, _value(one, rng)) for of in labels]
        out[newest_query(one)] = [(of, time.time() - rng.uniform(0, 15)) for of in labels]
        out[samples_query(one, part.window_s)] = [(of, 40.0) for of in labels]
        if one.signal.once:
            out[one.signal.once] = [(of, 1.0) for of in labels]
        if one.signal.busy:
            out[one.signal.busy] = [(of, rng.random()) for of in labels]
        if one.vm is not None and one.vm.series and one.signal.of is Of.VM:
            named = zip(labels, document["vms"], strict=True)
            out[info_query(one.vm)] = [({**of, one.vm.label: vm["id"]}, 1.0) for of, vm in named]
    return out


def _labels(one: Wanted, document: dict[str, Any]) -> list[dict[str, str]]:
    if one.signal.of is Of.HOST:
        return [{"instance": f"{host['id']}:9100", **COMMON} for host in document["hosts"]]
    return [
        {"instance": f"{vm['host']}:9177", "domain": f"instance-{i:08x}", **COMMON}
        for i, vm in enumerate(document["vms"])
    ]


def _value(one: Wanted, rng: random.Random) -> float:
    if ".pressure." in one.signal.name:
        return rng.random() * 0.2
    return rng.uniform(0.1, 1.0) if one.signal.name == "host.clock_skew_s" else rng.uniform(1e3, 1e4) / one.signal.scale


def serve(config: Path, snapshot: Path) -> None:
    """Serve on a free port, whose number is printed, until killed; the bodies are made before the first request."""
    at = time.time()
    bodies = {query: _body(rows, at) for query, rows in answers(config, snapshot).items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlparse(self.path).query)["query"][0]
            if query == CLOCK:
                body = _success([time.time(), repr(time.time())], "scalar")
            else:
                body = bodies.get(query) or _body([], at)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def _body(rows: Rows, at: float) -> bytes:
    return _success([{"metric": labels, "value": [at, repr(value)]} for labels, value in rows], "vector")


def _success(result: Any, kind: str) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
