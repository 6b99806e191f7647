"""WHAT SHOULD BE, with few moves: a placement that repairs what is broken and moves as little as it can.

`solver.Solver` is the door: evictions by the bound, insertion where there is room, ejection chains, neighbourhood
search; exhaustive search on tiny problems.
May not enter: rules, files, the order of moves (the caller says which placements are acceptable).
"""
