"""The command line: where the program starts. What is interrupted while it loads ends as what is interrupted later."""

# ruff: noqa: E402 - an interrupt may come while anything loads, `os` and `signal` included; these three are built in
import _signal  # type: ignore[import-not-found]
import posix
import sys


def _end_at_once(_number: int, _frame: object) -> None:
    if "--json" in sys.argv:
        posix.write(1, b'{"error": {"exit_code": 130, "message": "interrupted"}}\n')
    posix.write(2, b"remora: interrupted\n")
    posix._exit(130)


if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    try:  # noqa: SIM105 - contextlib would have to be loaded
        _signal.signal(_signal.SIGINT, _end_at_once)
    except ValueError:  # loaded by a thread that is not the main one: signals are none of its business
        pass

import gc
import os
import time

from commands.signals import handle_from_now_on

handle_from_now_on(instead_of=_end_at_once)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads: made at every start, and never used
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looked for in every package installed; none is wanted

from commands.boundary import Exit
from commands.group import remora
from optimizer.left_behind import any_left_behind
from optimizer.process_age import process_age_s

__all__ = ["main", "remora"]

NEW_OBJECTS, YOUNG, OLD = 10_000, 100, 10
"""How often circles of garbage are looked for: after that many new objects among these, every `YOUNG`-th time among
older ones too, every `OLD`-th time of these among all. Python's own 700, 10, 10 take a fifth of the time of a plan.
"""


def main() -> None:
    """Run `remora` and leave with an exit code of the contract."""
    try:
        began = time.monotonic() - process_age_s()
        gc.set_threshold(NEW_OBJECTS, YOUNG, OLD)
        remora.main(prog_name="remora", obj={"began": began})
    except KeyboardInterrupt:  # before or after all that handles it: nothing was begun, or all is done
        _end_at_once(_signal.SIGINT, None)
    finally:
        gc.freeze()  # what is there ends with the process: to look through a large fleet for garbage takes long
        if any_left_behind():
            _leave_without_it()


def _leave_without_it() -> None:
    """End the process beside a solver or compiler that did not end in time: to wait takes longer than was allowed."""
    ended = sys.exc_info()[1]
    code = ended.code if isinstance(ended, SystemExit) else Exit.INTERNAL
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else Exit.INTERNAL)


if __name__ == "__main__":
    main()
