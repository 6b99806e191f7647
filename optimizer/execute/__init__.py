"""DOING IT: a plan is admitted, written down, and carried out move by move.

`apply.apply` is the door; `admission` says whether a plan may run at all, `recheck` whether one of its moves may start
now, `ledger` remembers what was meant and what came of it, `drivers` are the hands. Nothing here plans: a move is
made as the plan says or not at all. Only the drivers and the ledger touch the outside world.

May not enter: planning.
"""
