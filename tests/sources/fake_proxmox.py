"""A server that answers as the API of Proxmox VE 9 does: a token in its header, errors as the reason of the status."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["TOKEN", "FakeProxmox", "place_of", "serving", "small_cluster"]

TOKEN = "remora@pve!inventory=8a1b2c3d-0000-4444-8888-123456789abc"
GIB = 2**30
ALL = {"Sys.Audit": 1, "VM.Audit": 1, "Datastore.Audit": 1}


@dataclass
class FakeProxmox:
    """What is answered, by path; `errors` has a status and a reason, `replies` what sends something else."""

    answers: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    replies: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    url: str = ""

    def node(
        self, name: str, *, cpus: int = 16, gib: int = 64, status: str = "online", model: str = "EPYC 7502"
    ) -> None:
        row: dict[str, Any] = {"id": f"node/{name}", "type": "node", "node": name, "status": status}
        if status == "online":
            row |= {"maxcpu": cpus, "maxmem": gib * GIB, "mem": 8 * GIB, "cpu": 0.03}
            self.answers[f"/nodes/{name}/status"] = {"cpuinfo": {"model": model, "cpus": cpus}}
        self.answers["/cluster/resources"].append(row)

    def storage(self, name: str, *nodes: str, shared: int = 0, gib: int = 500, used: int = 100, **more: Any) -> None:
        for node in nodes:
            row = {"id": f"storage/{node}/{name}", "type": "storage", "storage": name, "node": node, "shared": shared}
            row |= {"maxdisk": gib * GIB, "disk": used * GIB, "content": "images,rootdir", "status": "available"}
            self.answers["/cluster/resources"].append(row | more)

    def guest(self, vmid: int, node: str, config: dict[str, Any] | None = None, **more: Any) -> None:
        row = {"id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": node, "name": f"vm{vmid}"}
        row |= {"status": "running", "maxcpu": 2, "maxmem": 4 * GIB, "template": 0} | more
        row["id"] = f"{row['type']}/{vmid}"
        self.answers["/cluster/resources"].append(row)
        self.answers[f"/nodes/{node}/{row['type']}/{vmid}/config"] = config or {}

    def ha(self, *sids: str, **more: Any) -> None:
        self.answers["/cluster/ha/resources"] += [{"sid": sid, "state": "started", **more} for sid in sids]

    def rule(self, name: str, kind: str, resources: str, **more: Any) -> None:
        self.answers["/cluster/ha/rules"].append({"rule": name, "type": kind, "resources": resources, **more})


def small_cluster() -> FakeProxmox:
    """Three nodes, each with a local storage, all with a shared one; no guest."""
    made = FakeProxmox(
        {
            "/version": {"release": "9.2", "version": "9.2.11", "repoid": "0123456789abcdef"},
            "/access/permissions": {path: dict(ALL) for path in ("/", "/nodes", "/storage", "/vms", "/access")},
            "/cluster/status": [{"type": "cluster", "id": "cluster", "name": "attic", "quorate": 1, "nodes": 3}],
            "/cluster/resources": [],
            "/cluster/options": {"crs": {"ha": "static"}},
            "/cluster/ha/resources": [],
            "/cluster/ha/rules": [],
            "/cluster/ha/status/manager_status": {"manager_status": {"node_status": {}, "service_status": {}}},
            "/cluster/replication": [],
            "/cluster/tasks": [],
        }
    )
    for name in ("pve1", "pve2", "pve3"):
        made.node(name)
    made.storage("local-lvm", "pve1", "pve2", "pve3")
    made.storage("ceph", "pve1", "pve2", "pve3", shared=1, gib=5000, used=2000)
    return made


def place_of(directory: Path, url: str, **more: Any) -> Path:
    """Write the file that names a cluster, and its token, in a directory; returns the file's path."""
    (directory / "token").write_text(TOKEN + "\n")
    place = directory / "proxmox.yaml"
    place.write_text(json.dumps({"format": "remora-proxmox/1", "url": url, "token_file": "token", **more}))
    return place


@contextmanager
def serving(fake: FakeProxmox, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve on a free port of this machine, with a certificate and its key or without; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(self.path).removeprefix("/api2/json")
            fake.asked.append(path)
            fake.connections.add(self.client_address)
            if path in fake.replies:
                try:
                    fake.replies[path](self)
                except OSError:  # the client has gone
                    self.close_connection = True
            elif self.headers.get("Authorization") != f"PVEAPIToken={TOKEN}":
                self.say(401, "authentication failure", None)
            elif path in fake.errors:
                self.say(*fake.errors[path], None)
            elif path in fake.answers:
                self.say(200, "OK", fake.answers[path])
            else:
                self.say(501, f"Method 'GET {path}' not implemented", None)

        def say(self, status: int, reason: str, data: Any) -> None:
            body = json.dumps({"data": data}).encode()
            self.send_response(status, reason)
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
