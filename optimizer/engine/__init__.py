"""Who does the work: a function on many tasks, here, in processes of this machine, or on the workers of a scheduler.

An engine knows nothing of fleets or problems. It is given a function (importable where the workers run) and tasks as
bytes, each sent once, and returns what came of each in the order of the tasks, with the name of the worker that did
it. What is returned may depend on the task alone, so every engine, with any number of workers, gives the same.

A worker that dies costs the part that it had in hand, which is done again, `TRIES` times at most.

May not enter: fleets, problems.
"""

from optimizer.engine.engine import TRIES, Done, Engine, Stop
from optimizer.engine.local import LocalEngine

__all__ = ["TRIES", "Done", "Engine", "LocalEngine", "Stop"]
