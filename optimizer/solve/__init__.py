"""WHAT SHOULD BE: a placement with least harm, then least moving, and bounds that say how far it is from the least.

Nothing here knows a rule, a file or an order of moves; it reads the atoms of a `Problem`. `portfolio.solve` is the
door; `departures` and `bound` prove, `repair` finds at any size, `cp_sat` is exact where the problem is small and
mends where repair is stuck.
"""
