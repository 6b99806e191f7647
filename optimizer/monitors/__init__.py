"""WHAT HURTS: readings become imbalances, with hysteresis, so that a flapping signal does not make the fleet flap.

`machine` is the state machine of one subject, pure; the monitors (one kind a file) turn a fleet, a policy and the
answers to queries into readings; `watching` steps all of them. Nothing of that reads or writes: whoever calls asks the
queries before, and the ledger keeps what comes out.

May not enter: planning, solvers, reading and writing.
"""
