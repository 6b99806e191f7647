"""One host, asked by libvirt: each call has a deadline, and whatever goes wrong is `Unreachable`.

libvirt itself waits for ever: for a host that does not answer (keepalive ends that), and for a daemon that answers
keepalives and does nothing else. So each call is made in a thread of its own, which is left behind where it is late,
with its connection.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.errors import InputError
from optimizer.sources.libvirt.hosts import shown
from optimizer.sources.within import Overdue, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.sources.libvirt.hosts import LibvirtHost, LibvirtHosts

__all__ = ["Hypervisor", "Unreachable", "load_libvirt"]

T = TypeVar("T")

STUCK = 3
"""Calls that may be overdue at one host, at most; until one of them returns it is not asked again."""

INSTALL = (
    "install the extra: pip install -e '.[libvirt]' in the checkout (it is compiled: apt-get install libvirt-dev "
    "pkg-config gcc python3-dev before), or on Debian: apt-get install python3-libvirt"
)


class Unreachable(Exception):
    """A host did not answer, not in time, or with an error; the text names it."""


def load_libvirt(option: str) -> Any:
    """Return the module libvirt, its event loop running and its errors silent: they are raised anyway.

    Raises
    ------
    InputError
        It is not installed; `option` names what asked for it.
    """
    try:
        import libvirt
    except ImportError as error:
        raise InputError(option, "", "libvirt", "the Python package libvirt-python", INSTALL) from error
    libvirt.registerErrorHandler(lambda *_: None, None)
    _run_events(libvirt)
    return libvirt


def _run_events(libvirt: Any) -> None:
    """Run the event loop of a module libvirt, once: it alone sends keepalives. Its thread is how it is known to run."""
    name = f"events of libvirt {id(libvirt)}"
    if any(thread.name == name for thread in threading.enumerate()):
        return
    libvirt.virEventRegisterDefaultImpl()

    def forever() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    libvirt.virEventAddTimeout(1000, lambda *_: None, None)  # so that a new connection is noticed within a second
    threading.Thread(target=forever, name=name, daemon=True).start()


class Hypervisor:
    """A host and the connection to it, which is opened when it is first asked and again when it was lost."""

    def __init__(self, host: LibvirtHost, settings: LibvirtHosts, libvirt: Any) -> None:
        self.host, self.libvirt = host, libvirt
        self._settings = settings
        self._connection: Any = None
        self._unanswered = 0
        self._counting = threading.Lock()

    def ask(self, question: Callable[[Any], T], seconds: float | None = None) -> T:
        """Return what `question` returns, called with the connection; asked again once where that was lost.

        Raises
        ------
        Unreachable
            There is no answer, or libvirt says that something went wrong.
        """
        if self._unanswered >= STUCK:
            raise Unreachable(f"host {self.host.id}: {self._unanswered} calls have not returned yet")
        seconds = self._settings.deadline_s if seconds is None else seconds
        try:
            return within(seconds, lambda: self._answer(question), f"libvirt {self.host.id}")
        except Overdue as error:
            self._connection = None  # whoever still waits on it keeps it
            raise Unreachable(f"host {self.host.id}: {error}") from None
        except self.libvirt.libvirtError as error:
            raise Unreachable(self.text_of(error)) from error

    def text_of(self, error: Exception) -> str:
        """Return an error's text, with the host's id and without what may be secret in a URI."""
        return f"host {self.host.id}: {shown(str(error)).strip() or type(error).__name__}"

    def connect(self) -> Any:
        """Open a connection of its own, for a call that takes long; call it within a deadline.

        A daemon answers only a few calls of one connection at once (`max_client_requests`).
        """
        connection = self.libvirt.open(self.host.uri)
        try:
            connection.setKeepAlive(self._settings.keepalive_interval_s, self._settings.keepalive_count)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != self.libvirt.VIR_ERR_NO_SUPPORT:  # what is in this process needs none
                raise
        return connection

    def find(self, uuid: str) -> tuple[Any, Any]:
        """Return a connection of its own, and a domain on it."""
        connection = self.connect()
        return connection, connection.lookupByUUIDString(uuid)

    def _answer(self, question: Callable[[Any], T]) -> T:
        with self._counting:
            self._unanswered += 1
        try:
            connection = self._connection
            if connection is not None and self.is_alive(connection):
                try:
                    return question(connection)
                except self.libvirt.libvirtError:
                    if self.is_alive(connection):
                        raise
            connection = self._connection = self.connect()
            return question(connection)
        finally:
            with self._counting:
                self._unanswered -= 1

    def is_alive(self, connection: Any) -> bool:
        """Say whether a connection was not lost."""
        try:
            return bool(connection.isAlive())
        except self.libvirt.libvirtError:
            return False
