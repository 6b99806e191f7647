"""WHICH STATES CAN BE REACHED while moves are in flight, and the worst that can happen in any of them.

Shared by the planner and by the judge of plans, and therefore proven against enumeration in the tests.
May not enter: solvers, orders that are still looked for, rules, files.
"""
