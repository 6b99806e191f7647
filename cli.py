"""The command line: where the program starts. What is interrupted while it loads ends as what is interrupted later."""

import os
import sys
import threading
import time

from commands.signals import handle_from_now_on

handle_from_now_on()
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads: made at every start, and never used

from commands.group import remora  # noqa: E402 - an interrupt may come while this loads
from optimizer.cp.solving import LEFT_BEHIND  # noqa: E402
from optimizer.process_age import process_age_s  # noqa: E402

__all__ = ["main", "remora"]


def main() -> None:
    """Run `remora` and leave with an exit code of the contract."""
    began = time.monotonic() - process_age_s()
    try:
        remora.main(prog_name="remora", obj={"began": began})
    finally:
        if any(thread.name == LEFT_BEHIND for thread in threading.enumerate()):
            _leave_without_it()


def _leave_without_it() -> None:
    """End the process beside a solver that did not obey: waiting for it would take longer than the user allowed."""
    ended = sys.exc_info()[1]
    code = ended.code if isinstance(ended, SystemExit) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
