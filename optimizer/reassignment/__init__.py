"""WHAT SHOULD BE, at least cost: the whole placement searched anew, for problems of cost alone (ROADEF 2012).

`search.solve_cost` is the door; compiled kernels anneal over flat arrays (`cost_arrays`), and `cost_bound` says how
far from the least they end.
May not enter: rules, files, the order of moves.
"""
