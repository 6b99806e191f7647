"""THE SWITCHES OF ONE RUN as rules: what `plan --drain`, `--exclude`, `--only`, `--from`, `--to`, `--max-moves` mean.

`scoped` lays them over a policy, the same way for planner and judge. Each switch is a rule like any other (`lower`,
`check`, `explain`); `--only`, and emptying hosts one by one, change what other rules ask.
May not enter: reading of options and files, solvers, sources.
"""

from constraints.scope.scoped import empties_under_limits, group_names, scoped

__all__ = ["empties_under_limits", "group_names", "scoped"]
