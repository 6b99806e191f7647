"""The agent of one host: takes its orders, carries each out once with a driver of its own, and reports.

::

    claimed ──> submitting ──> submitted ──> ended: reported until the gateway has heard it ──> forgotten
       └── refused: an older epoch, too late, or the agent was started again before it began

Each arrow is on disk before what follows from it. So nothing is submitted twice: an order that was found `submitting`
after a restart is looked for, and one that was found `claimed` is given back.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Any

from optimizer.execute.agents.memory import InHand
from optimizer.execute.agents.wire import CLAIM, FINISH
from optimizer.execute.drivers import HoldsBack, MoveRefused, NotAborted, ReplyLost, Request, Unreadable
from optimizer.execute.states import ENDED, MoveState

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.agents.client import Asks
    from optimizer.execute.agents.memory import Memory
    from optimizer.execute.drivers import Driver, HostReading, JobReading, VmReading

__all__ = ["Times", "Worker"]

FAILED, DONE = MoveState.FAILED.value, MoveState.DONE.value
LOOKS = 3
"""Looks in a row that have to agree where the driver knows of no job."""

SAID = ("accepted", "intended")
MIGRATING = "migrating"


class Times:
    """How often an agent does what, in seconds."""

    def __init__(self, look_s: float = 5.0, wait_s: float = 40.0, again_s: float = 600.0) -> None:
        self.look_s, self.wait_s, self.again_s = look_s, wait_s, again_s


class Worker:
    """One host's agent; `poll` and `tick` run in threads of their own.

    Parameters
    ----------
    driver, driving
        What migrates, and the lock for whoever uses it.
    seconds
        A clock that never runs backwards.
    """

    def __init__(
        self,
        host: str,
        driver: Driver,
        driving: threading.Lock,
        client: Asks,
        memory: Memory,
        seconds: Callable[[], float],
        times: Times | None = None,
    ) -> None:
        self.host, self._driver, self._driving = host, driver, driving
        self._client, self._memory, self._seconds = client, memory, seconds
        self._times = times or Times()
        self._changing = threading.RLock()
        self._begin_by: dict[str, float] = {}
        self._agreed: dict[str, tuple[str, int, float]] = {}
        self._reported: dict[str, str] = {}
        self._abort: set[str] = set()
        self._reported_at = self._looked_at = self._sent_at = float("-inf")
        self._digest, self._lease_s = "0" * 64, 60.0
        self._look = memory.starts << 32
        self._same_at = float("-inf")
        self.has_to_look = threading.Event()

    def start(self) -> None:
        """Say what is on the host, for the first time; raises what the gateway answers."""
        self._looked_at = self._seconds()
        self._send([], self._seen())

    def poll(self) -> None:
        """Ask for orders, and wait for them; raises where the gateway does not answer."""
        self.take(self._client.ask(CLAIM, self.claim(), self._times.wait_s))

    def claim(self) -> dict[str, Any]:
        """Return how orders are asked for."""
        with self._changing:
            have = list(self._memory.in_hand)
        ago = min(1e6, self._seconds() - self._same_at)
        return {**self._who(), "have": have, "digest": self._digest, "ago_s": ago, "wait_s": self._times.wait_s}

    def take(self, said: dict[str, Any]) -> None:
        """Take in what the gateway answered to a claim."""
        self._lease_s = float(said["lease_s"])
        for order in said["orders"]:
            self._take(order)
        self._abort |= set(said["abort"])
        if said["look"]:
            self._sent_at = float("-inf")
        if said["look"] or said["orders"] or said["abort"]:
            self.has_to_look.set()

    def _take(self, order: dict[str, Any]) -> None:
        """Take an order in hand, or refuse it; on disk before anything follows from it."""
        with self._changing:
            memory, token = self._memory, order["token"]
            if token in memory.in_hand:
                return
            entry = InHand(order)
            if order["source"] != self.host:
                entry.outcome = _failed(f"{self.host} is not {order['source']}")
            elif order["epoch"] < memory.epoch:
                entry.outcome = _failed(f"refused: epoch {order['epoch']}, and epoch {memory.epoch} was seen")
            memory.epoch = max(memory.epoch, order["epoch"])
            memory.in_hand[token] = entry
            memory.save()
            self._begin_by[token] = self._seconds() + order["begin_within_s"]

    def tick(self) -> None:
        """Carry on with each order, look at the host, and report; raises where the gateway does not answer."""
        self.has_to_look.clear()
        with self._changing:
            entries = list(self._memory.in_hand.items())
        said = {token: self._carry_on(token, entry) for token, entry in entries if not entry.outcome}
        ended = [(token, entry) for token, entry in entries if entry.outcome]
        now = self._seconds()
        if ended or entries or now - self._looked_at >= self._times.look_s:
            self._looked_at = now
            seen = self._seen()
            if seen["digest"] == self._digest:
                self._same_at = now
            if ended:
                self._finish(ended, seen)
            self._report(said, seen)

    def _carry_on(self, token: str, entry: InHand) -> dict[str, Any]:
        """Take an order one step further; returns how it stands."""
        request = _request(entry)
        if entry.phase == "claimed":
            return self._begin(token, entry, request)
        if token in self._abort:
            self._give_up(token, request)
        try:
            with self._driving:
                job, vm = self._driver.observe(request), self._driver.read_vm(request.vm)
        except Unreadable as error:
            return _standing(token, "unknown", str(error))
        if job is None:
            return self._without_job(token, entry, vm)
        if job.state in ENDED:
            if entry.phase == "submitting" and not self._is_ours(token, entry, job, vm):
                return _standing(token, "unknown", f"no answer; a job was found that has {job.state.value}")
            return self._end(token, entry, _outcome(job))
        self._agreed.pop(token, None)
        if job.ready:
            self._proceed(request)
        state = "preparing" if job.state.value in SAID else job.state.value
        return {**_standing(token, state), "remaining_mib": job.remaining_mib}

    def _begin(self, token: str, entry: InHand, request: Request) -> dict[str, Any]:
        """Begin an order, or say why it will not be."""
        if token not in self._begin_by:
            return self._end(token, entry, _failed("the agent was started again before it had begun"))
        if token in self._abort:
            return self._end(token, entry, _failed("aborted before it was begun"))
        if self._seconds() > self._begin_by[token]:
            return self._end(token, entry, _failed("not begun in time"))
        return self._submit(token, entry, request)

    def _submit(self, token: str, entry: InHand, request: Request) -> dict[str, Any]:
        """Submit, once in the life of an order."""
        self._write(entry, phase="submitting")
        try:
            with self._driving:
                job = self._driver.submit(request)
        except MoveRefused as error:
            kind = "temporary" if error.temporary else "permanent"
            return self._end(token, entry, {"state": FAILED, "failure": kind, "detail": str(error)})
        except (ReplyLost, Unreadable) as error:
            return _standing(token, "unknown", f"no answer: {error}")
        self._write(entry, phase="submitted", job=job)
        return _standing(token, "preparing")

    def _is_ours(self, token: str, entry: InHand, job: JobReading, vm: VmReading | None) -> bool:
        """Whether a job that has ended, found by VM and target since the submit had no answer, is that of this order.

        It may be one of before, while the request is still on its way: not so where the VM has arrived, nor where
        nothing else was seen for as long as a lost request may take.
        """
        arrived = job.state is MoveState.DONE and _place(vm) == entry.order["target"]
        return arrived or self._has_settled(token, f"{job.id} has {job.state.value}, {_place(vm)}")

    def _has_settled(self, token: str, seen: str) -> bool:
        """Whether the same was seen several times, and for as long as a lost request may still take effect."""
        now = self._seconds()
        before, looks, since = self._agreed.get(token, (seen, 0, now))
        if before != seen:
            looks, since = 0, now
        self._agreed[token] = seen, looks + 1, since
        return looks + 1 >= LOOKS and now - since >= self._driver.settles_s

    def _without_job(self, token: str, entry: InHand, vm: VmReading | None) -> dict[str, Any]:
        """Judge by where the VM is."""
        order, at = entry.order, _place(vm)
        settled = self._has_settled(token, at)
        if settled and at == order["target"]:
            return self._end(token, entry, {"state": DONE, "failure": "", "detail": "seen on its target"})
        if settled and at == order["source"]:
            return self._end(token, entry, _failed("no trace of it"))
        if settled and at != MIGRATING:  # deleted, or elsewhere: what came of it the executor sees by the inventories
            gone = f"no trace of it; {order['vm']} is seen: {at}"
            return self._end(token, entry, {"state": FAILED, "failure": "permanent", "detail": gone})
        return _standing(token, "unknown", f"the driver knows of no job; {order['vm']} is seen: {at}")

    def _proceed(self, request: Request) -> None:
        """Let a move that its driver holds back copy at once: the executor counts its links from the order on."""
        if isinstance(self._driver, HoldsBack):
            with suppress(MoveRefused, ReplyLost, Unreadable), self._driving:
                self._driver.proceed(request)

    def _give_up(self, token: str, request: Request) -> None:
        try:
            with self._driving:
                self._driver.abort(request)
        except (NotAborted, Unreadable, ReplyLost):
            return
        self._abort.discard(token)

    def _end(self, token: str, entry: InHand, outcome: dict[str, str]) -> dict[str, Any]:
        self._write(entry, outcome=outcome)
        self.has_to_look.set()
        return _standing(token, "unknown", "its end is being reported")

    def _write(self, entry: InHand, **new: Any) -> None:
        with self._changing:
            for name, value in new.items():
                setattr(entry, name, value)
            self._memory.save()

    def _finish(self, ended: list[tuple[str, InHand]], seen: dict[str, Any]) -> None:
        """Report ends, with what is on the host after them; forget those that were heard."""
        for token, entry in ended:
            asked = {**self._who(), "token": token, **entry.outcome}
            asked["inventory"] = self._aged(seen)
            self._sent_at = float("-inf")  # without an answer nobody knows what the gateway has: it is said again
            self._client.ask(FINISH, asked)
            self._digest, self._sent_at, self._same_at = seen["digest"], self._seconds(), self._looked_at
            with self._changing:
                del self._memory.in_hand[token]
                self._memory.save()
            for known in (self._begin_by, self._agreed, self._reported):
                known.pop(token, None)
            self._abort.discard(token)

    def _report(self, said: dict[str, dict[str, Any]], seen: dict[str, Any]) -> None:
        """Report what has changed, or what has to be said again."""
        now = self._seconds()
        renew = now - self._reported_at >= self._lease_s / 3
        news = [one for token, one in said.items() if renew or self._reported.get(token) != dumps(one)]
        again = now - self._sent_at >= self._times.again_s or self._memory.in_hand
        changed = seen if seen["digest"] != self._digest or again else None
        if news or changed is not None:
            self._send(news, changed)

    def _send(self, news: list[dict[str, Any]], seen: dict[str, Any] | None) -> None:
        asked = {**self._who(), "progress": news}
        if seen is not None:
            asked["inventory"] = self._aged(seen)
            self._sent_at = float("-inf")
        said = self._client.ask("/v1/agent/report", asked)
        now = self._seconds()
        self._reported.update({one["token"]: dumps(one) for one in news})
        self._reported_at = now
        if seen is not None:
            self._digest, self._sent_at, self._same_at = seen["digest"], now, self._looked_at
            if said["look"] > self._look:  # this memory is an old copy: what it says counts from there on
                self._look, self._sent_at = said["look"], float("-inf")
        self._abort |= {token for token, answer in said["orders"].items() if answer == "abort"}

    def _seen(self) -> dict[str, Any]:
        """Look at the host; what cannot be read raises `Unreadable`, and nothing is reported."""
        with self._driving:
            host = self._driver.read_host(self.host)
            if host is None:
                raise Unreadable(f"there is no host {self.host}")
            vms = [vm for name in sorted(host.vms) if (vm := self._driver.read_vm(name)) is not None]
            simulated = self._driver.simulated
        said = {"simulated": simulated, "host": _host(host), "vms": [_vm(vm) for vm in vms]}
        self._look += 1
        return {**said, "digest": sha256(dumps(said, sort_keys=True).encode()).hexdigest(), "look": self._look}

    def _aged(self, seen: dict[str, Any]) -> dict[str, Any]:
        """Return what was seen with how long ago that is."""
        return {**seen, "ago_s": self._seconds() - self._looked_at}

    def _who(self) -> dict[str, Any]:
        return {"fleet": self._driver.fleet, "host": self.host, "agent": self._memory.agent}


def _request(entry: InHand) -> Request:
    from datetime import UTC, datetime

    order = entry.order
    names = ("plan", "move", "attempt", "vm", "source", "target", "copied_mib", "seconds", "epoch")
    since = datetime.fromtimestamp(order["enqueued_s"], UTC)
    return Request(**{name: order[name] for name in names}, since=since, job=entry.job)


def _place(vm: VmReading | None) -> str:
    """Return the host of a VM at rest; otherwise why it has none."""
    if vm is not None and (vm.moving_to is not None or vm.copies):
        return MIGRATING
    return "nowhere" if vm is None or vm.host is None else vm.host


def _failed(detail: str) -> dict[str, str]:
    return {"state": FAILED, "failure": "temporary", "detail": detail}


def _outcome(job: JobReading) -> dict[str, str]:
    if job.state is MoveState.DONE:
        return {"state": DONE, "failure": "", "detail": job.detail[:1000]}
    failure = job.failure.value if job.failure else "permanent"
    return {"state": FAILED, "failure": failure, "detail": job.detail[:1000]}


def _standing(token: str, state: str, detail: str = "") -> dict[str, Any]:
    return {"token": token, "state": state, "detail": detail[:1000]}


def _host(host: HostReading) -> dict[str, Any]:
    return {
        "id": host.id,
        "state": host.state.name.lower(),
        "capacity": dict(host.capacity),
        "busy": [reason.value for reason in host.busy],
        "vms": sorted(host.vms),
    }


def _vm(vm: VmReading) -> dict[str, Any]:
    return {
        "id": vm.id,
        "host": vm.host,
        "state": vm.state.name.lower(),
        "mobility": vm.mobility.name.lower(),
        "demand": dict(vm.demand),
        "moving_to": vm.moving_to,
        "copies": sorted(vm.copies),
    }
