"""HOW TO GET THERE: an order in which the moves are safe at every instant, staging hops, batches.

May not enter: solvers, the judge of plans, rules, files.
"""
