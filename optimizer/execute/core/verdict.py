"""What a look at a move says: how it goes on, or how it seems to have ended and how often that has to be seen.

============================  ==========================  ========================================  ===============
the job says                  the inventory says          that is                                   looks
============================  ==========================  ========================================  ===============
accepted ... switching        the VM is there             that state                                1
anything                      it is on several hosts      unknown                                   -
ended, or no job              it is migrating             unknown, from the second look on          -
done                          on the target alone         done                                      2
no job                        on the target alone         done                                      3
failed                        on the target alone         done: what is seen there counts           5, and settled
failed                        on the source alone         failed, as the job says                   2, and settled
no job                        on the source alone         failed (temporary): it never started      3, and settled
done                          on the source alone         failed (temporary): false success         5, and settled
ended, or no job              on a third host             failed (permanent): it went elsewhere     3, and settled
ended, or no job              nowhere                     gone                                      3, and settled
one of the two is unreadable                              unknown, from the third look on           -
============================  ==========================  ========================================  ===============

Looks in a row that agree, at least a poll apart. Two where job and inventory both say so; more where one of them is
silent or says something else. *Settled*: they have agreed for as long as the driver says that a lost request may still
take effect, or an inventory lag. Until then the move keeps its slots, and from the second ambiguous look on it is
unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.execute.states import ENDED, Failure, MoveState

if TYPE_CHECKING:
    from optimizer.execute.core.events import Look
    from optimizer.execute.core.model import Flight
    from optimizer.execute.drivers import JobReading, VmReading

__all__ = ["BLIND", "Verdict", "judge"]

AGREED, SILENT, CONTRADICTED = 2, 3, 5
"""Looks that have to agree: both observers say so; one says nothing; one says something else."""

BLIND = 3
"""Looks in a row that could not be had, after which a move is unknown."""

NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, why, and how many looks in a row have to say so; `NEVER` where no number of them is enough.

    `settled`: they also have to agree for as long as things may take to settle.
    """

    state: MoveState
    needs: int = 1
    detail: str = ""
    failure: Failure | None = None
    settled: bool = False

    @property
    def belief(self) -> str:
        """What has to be the same from look to look."""
        return f"{self.state.value} {self.failure} {self.needs}"


def judge(flight: Flight, look: Look) -> Verdict:
    """Return what one readable look says; the table is above."""
    job, vm = look.job, look.vm
    running = job is not None and job.state not in ENDED
    if vm is not None and vm.copies:
        places = ", ".join(sorted({*vm.copies, *([vm.host] if vm.host else [])}))
        return Verdict(MoveState.UNKNOWN, NEVER, f"{flight.vm} is seen on several hosts: {places}")
    if running:
        assert job is not None
        if vm is None:
            return Verdict(MoveState.UNKNOWN, NEVER, f"the job goes on, but {flight.vm} is nowhere")
        return Verdict(job.state)
    if vm is None:
        return Verdict(MoveState.GONE, SILENT, f"{flight.vm} is nowhere any more", settled=True)
    if vm.moving_to is not None or vm.host is None:
        said = f"its job is {job.state.value}" if job else "it has no job"
        where = f"migrating to {vm.moving_to}" if vm.moving_to else "on no host"
        return Verdict(MoveState.UNKNOWN, NEVER, f"{said}, but {flight.vm} is {where}")
    return _at_rest(flight, job, vm)


def _at_rest(flight: Flight, job: JobReading | None, vm: VmReading) -> Verdict:
    """Judge a move that is over by all that is seen."""
    if vm.host == flight.target:
        if job is None:
            return Verdict(MoveState.DONE, SILENT)
        agrees = job.state is MoveState.DONE
        return Verdict(MoveState.DONE, AGREED if agrees else CONTRADICTED, settled=not agrees)
    if vm.host != flight.source:
        why = f"{flight.vm} is on {vm.host}, neither its source nor its target"
        return Verdict(MoveState.FAILED, SILENT, why, Failure.PERMANENT, settled=True)
    if job is None:
        why = f"no trace of it: {flight.vm} is on {flight.source}, and nothing moves it"
        return Verdict(MoveState.FAILED, SILENT, why, Failure.TEMPORARY, settled=True)
    if job.state is MoveState.DONE:
        why = f"reported done, but {flight.vm} is still on {flight.source}"
        return Verdict(MoveState.FAILED, CONTRADICTED, why, Failure.TEMPORARY, settled=True)
    detail = flight.abort_reason or job.detail
    # settled: a job that was found by search may be one of before, and the inventory may lag behind a false failure
    return Verdict(MoveState.FAILED, AGREED, detail, job.failure or Failure.PERMANENT, settled=True)
