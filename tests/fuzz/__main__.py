"""The command: ``python -m tests.fuzz --seconds 3600 --seed 1``; exits with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.case import Case


def main() -> int:
    """Try cases until the time is up."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds to go on for (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--only", type=int, help="try this case alone")
    parser.add_argument("--keep", type=Path, help="keep the files of each case that fails in this directory")
    options = parser.parse_args()
    began, tried, commands, refused, accepted, failed = time.process_time(), 0, 0, 0, 0, []
    for number in itertools.count() if options.only is None else [options.only]:
        if tried and time.process_time() - began > options.seconds:
            break
        with tempfile.TemporaryDirectory() as name:
            case = Case(options.seed, number, Path(name))
            case.run()
            tried, commands = tried + 1, commands + case.ran
            refused, accepted = refused + case.refused, accepted + case.accepted
            if case.wrong:
                failed.append(number)
                print(f"case {number}:", *case.wrong, sep="\n  ", flush=True)
                if options.keep is not None:
                    shutil.copytree(name, options.keep / f"{options.seed}-{number}", dirs_exist_ok=True)
    took = time.process_time() - began
    print(
        f"{tried} cases, {commands} commands in {took:.0f} s of CPU; {refused + accepted} tampered plans, "
        f"{refused} refused; {len(failed)} cases failed{': ' if failed else ''}{', '.join(map(str, failed))}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
