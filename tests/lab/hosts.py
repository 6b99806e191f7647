"""Several libvirt hosts on one machine, each in network, mount, host name and process namespaces of its own.

A host has its own daemon, address, configuration and log; all share one directory, as shared storage. Killing its first
process is a crash of the whole host. Everything is below one directory and in namespaces named after this process, and
is gone after `Lab.close`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.lab.guest import disk_image, domain_xml, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Lab", "missing", "until"]

PROGRAMS = ("ip", "unshare", "nsenter", "libvirtd", "qemu-system-x86_64")
PACKAGES = "apt-get install --no-install-recommends libvirt-daemon-system qemu-system-x86 iproute2 python3-libvirt"
PATHS = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))

DAEMON = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "{ip}"
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
host_uuid = "{uuid}"
keepalive_interval = 1
keepalive_count = 3
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
keepalive_interval = 1
keepalive_count = 3
migration_address = "{ip}"
migration_host = "{ip}"
"""

FIRST_PROCESS = """\
set -e
hostname {name}
mkdir -p /run/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt /var/lib/libvirt
mount --bind {home}/hosts /etc/hosts
mount --bind {home}/run /run/libvirt
mount --bind {home}/etc /etc/libvirt
mount --bind {home}/lib /var/lib/libvirt
mount --bind {home}/log /var/log/libvirt
mount --bind {home}/local {base}/local
mount --bind {base}/cache /var/cache/libvirt
touch {home}/ready
while :; do sleep 3600; done # bash reaps whatever loses its parent
"""


def missing() -> tuple[str, bool]:
    """Say why no lab can be here, and whether that is for want of packages; an empty text where one can be."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=PATHS) is None]
    if importlib.util.find_spec("libvirt") is None:
        lacking.append("libvirt-python")
    if lacking:
        return f"no lab of real hypervisors here: {', '.join(lacking)} not found ({PACKAGES})", True
    if os.getuid() != 0:
        return "no lab of real hypervisors here: it needs root", False
    name = f"remora-{os.getpid()}-try"
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "add", "lan", "type", "bridge")
        _run("ip", "-n", name, "link", "add", "name", "try0", "type", "veth", "peer", "name", "try1")
        _run("unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "mount", "--bind", "/etc", "/etc")
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", b"") or b""
        return f"no lab of real hypervisors here: no namespaces: {said.decode(errors='replace').strip()}", False
    finally:
        subprocess.run([_which("ip"), "netns", "del", name], check=False, capture_output=True)
    return "", False


class Lab:
    """Hosts by name, reached by `uri`; guests that count, and faults.

    Parameters
    ----------
    names
        Of the hosts; each gets an address in 10.77.0.0/24 of its own switch.
    """

    def __init__(self, *names: str) -> None:
        import libvirt

        self._libvirt: Any = libvirt
        self.names = names
        self.base = Path(tempfile.mkdtemp(prefix="remora-lab-", dir="/var/tmp"))  # short: sockets are below it
        self.shared = self.base / "shared"
        for directory in (self.shared, self.base / "cache", self.base / "local"):
            directory.mkdir()
        self._lan = f"remora-{os.getpid()}-lan"
        self._first: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: dict[str, subprocess.Popen[bytes]] = {}
        _run("ip", "netns", "add", self._lan)
        _run("ip", "-n", self._lan, "link", "add", "lan", "type", "bridge")
        _run("ip", "-n", self._lan, "link", "set", "lan", "up")
        try:
            self.up(names[0])  # alone: it asks QEMU what it can do, and all others find the answer
            for name in names[1:]:
                self.up(name, wait=False)
            for name in names[1:]:
                self._wait_for(name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End every host, and leave nothing behind."""
        for name in list(self._first):
            self.down(name)
        subprocess.run([_which("ip"), "netns", "del", self._lan], check=False, capture_output=True)
        shutil.rmtree(self.base, ignore_errors=True)

    def ip(self, host: str) -> str:
        """Return a host's address."""
        return f"10.77.0.{self.names.index(host) + 1}"

    def uri(self, host: str) -> str:
        """Return how this process reaches a host's daemon."""
        return f"qemu+unix:///system?socket={self.base / host}/run/libvirt-sock"

    def hosts_file(self, path: Path, capacity: Mapping[str, int] | None = None, **more: Any) -> Path:
        """Write the hosts file of all hosts."""
        hosts = {
            name: {"uri": self.uri(name), "migration_uri": f"qemu+tcp://{self.ip(name)}/system"}
            | ({"capacity": dict(capacity)} if capacity else {})
            for name in self.names
        }
        settings = {"unsafe": True, "keepalive_interval_s": 1, "keepalive_count": 3, "deadline_s": 30} | more
        path.write_text(yaml.safe_dump({"format": "remora-libvirt/1", **settings, "hosts": hosts}))
        return path

    # hosts

    def up(self, name: str, *, wait: bool = True) -> None:
        """Start a host and its daemon."""
        home = self.base / name
        for part in ("etc/qemu", "run", "lib/qemu", "log", "local"):
            (home / part).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(home / "run")
        (home / "run").mkdir()
        (home / "ready").unlink(missing_ok=True)
        ip, space = self.ip(name), self._space(name)
        (home / "etc/libvirtd.conf").write_text(DAEMON.format(ip=ip, uuid=uuid.uuid5(uuid.NAMESPACE_DNS, name)))
        (home / "etc/qemu.conf").write_text(QEMU.format(ip=ip))
        (home / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{self.ip(n)} {n}\n" for n in self.names))
        (home / "first.sh").write_text(FIRST_PROCESS.format(name=name, home=home, base=self.base))
        _run("ip", "netns", "add", space)
        mac = f"02:00:0a:4d:00:{self.names.index(name) + 1:02x}"  # a host that comes up again has its old one
        pair = ("link", "add", "name", "eth0", "address", mac, "type", "veth", "peer", "name", f"to-{name}")
        _run("ip", "-n", space, *pair)
        _run("ip", "-n", space, "link", "set", f"to-{name}", "netns", self._lan)
        _run("ip", "-n", self._lan, "link", "set", f"to-{name}", "master", "lan", "up")
        _run("ip", "-n", space, "addr", "add", f"{ip}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _run("ip", "-n", space, "link", "set", link, "up")
        apart = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation")
        self._first[name] = self._start(
            name, "ip", "netns", "exec", space, *apart, "private", "bash", f"{home}/first.sh"
        )
        until(lambda: (home / "ready").exists(), 30)
        self.start_daemon(name, wait=wait)

    def down(self, name: str) -> None:
        """Let a whole host crash: every process on it dies at once."""
        first = self._first.pop(name)
        first.kill()
        first.wait(30)
        subprocess.run([_which("ip"), "netns", "del", self._space(name)], check=False, capture_output=True)

    def start_daemon(self, name: str, *, wait: bool = True) -> None:
        """Start a host's daemon."""
        words = ("libvirtd", "--listen", "--daemon", "--pid-file", "/run/libvirt/pid")
        self._starting[name] = self._start(name, *self._inside(name), *words)
        if wait:
            self._wait_for(name)

    def kill_daemon(self, name: str) -> None:
        """Kill a host's daemon; its guests run on."""
        _run(*self._inside(name), "sh", "-c", "kill -9 $(cat /run/libvirt/pid) && rm -f /run/libvirt/pid")

    def cut(self, name: str) -> None:
        """Cut a host off the others."""
        _run("ip", "-n", self._lan, "link", "set", f"to-{name}", "down")

    def join(self, name: str) -> None:
        """Connect it again."""
        _run("ip", "-n", self._lan, "link", "set", f"to-{name}", "up")

    # guests

    def guest(
        self, name: str, host: str, demand: Mapping[str, int], *, pages: int = 1, ram_mib: int = 16, local: bool = False
    ) -> None:
        """Start a guest; `local`: its disk is the host's own, and has to be copied."""
        directory = self.base / ("local" if local else "shared")
        for home in self.names if local else ():
            image = self.base / home / "local" / f"{name}.img"
            image.write_bytes(bytes(1 << 20))  # libvirt makes none outside of a pool
        disk_image((self.base / host / "local" if local else self.shared) / f"{name}.img", pages, ram_mib)
        one = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        xml = domain_xml(name, one, directory / f"{name}.img", self.serial(name), ram_mib, demand)
        connection = self._libvirt.open(self.uri(host))
        connection.createXML(xml, 0)
        connection.close()

    def serial(self, name: str) -> Path:
        """Return the file to which a guest counts, on whatever host it is."""
        return self.shared / f"{name}.serial"

    def counted(self, name: str) -> list[int]:
        """Return what a guest has counted: it has to rise, whatever was done to it."""
        return lines_of(self.serial(name))

    def goes_on(self, *names: str) -> None:
        """Wait until each guest counts on from now; none may have lost its state or run twice meanwhile."""
        before = {name: len(self.counted(name)) for name in names}
        until(lambda: all(len(self.counted(name)) > before[name] + 1 for name in names), 60)
        for name in names:
            numbers = self.counted(name)
            assert all(a < b for a, b in pairwise(numbers)), (name, numbers)

    def places(self) -> dict[str, list[str]]:
        """Return on which hosts each guest is, by all hosts that are up."""
        found: dict[str, list[str]] = {}
        for host in self._first:
            connection = self._libvirt.open(self.uri(host))
            for domain in connection.listAllDomains(0):
                found.setdefault(domain.name(), []).append(host)
            connection.close()
        return found

    def starts(self, name: str) -> int:
        """Return how often a QEMU was started for a guest, over all hosts: once, and once for each move to a host."""
        logs = (self.base / host / "log/qemu" / f"{name}.log" for host in self.names)
        return sum(log.read_text().count(": starting up libvirt") for log in logs if log.exists())

    def clear(self) -> None:
        """End every guest, and forget what it did."""
        for host in self._first:
            connection = self._libvirt.open(self.uri(host))
            for domain in connection.listAllDomains(0):
                persistent = domain.isPersistent()
                if domain.isActive():
                    domain.destroy()
                if persistent:
                    domain.undefine()
            connection.close()
            for log in (self.base / host / "log/qemu").glob("*.log"):
                log.unlink()
        for path in self.shared.iterdir():
            path.unlink()

    def _space(self, name: str) -> str:
        return f"remora-{os.getpid()}-{name}"

    def _inside(self, name: str) -> tuple[str, ...]:
        unshare = self._first[name].pid
        (first,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        return ("nsenter", "--target", first, "--mount", "--uts", "--pid", "--net", "--")

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.base / name / "log/stdout").open("ab") as log:
            return subprocess.Popen(
                [_which(words[0]), *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": PATHS, "LC_ALL": "C.UTF-8"},
            )

    def _wait_for(self, name: str) -> None:
        def answers() -> bool:
            try:
                self._libvirt.open(self.uri(name)).close()
            except self._libvirt.libvirtError:
                return False
            return True

        self._starting[name].wait(60)  # it becomes a daemon when it is ready to be one
        until(answers, 60)


def until(holds: Callable[[], Any], seconds: float) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (answer := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"it does not happen within {seconds:g} s")
        time.sleep(0.05)
    return answer


def _which(program: str) -> str:
    return shutil.which(program, path=PATHS) or program


def _run(*words: str) -> None:
    subprocess.run([_which(words[0]), *words[1:]], check=True, capture_output=True, timeout=60)
