"""HOW TO GET THERE: an order in which the moves are safe at every instant, hops, batches, and the judge of plans.

`agree` asks `optimizer.solve` and orders what it says until both agree; `verify` and all it uses know no planner.
"""
