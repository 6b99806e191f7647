"""WHAT IS ASKED: the protocol of a rule, the few atoms that all rules are lowered to, and the problem they make.

Nothing here searches. `build` makes the problem, `evaluate` judges a placement slowly and plainly, `tally` keeps
the same sums up to date for those who search.

May not enter: search, solvers, files.
"""
