"""Executors that die, are paused or compete, on hypervisors and a ledger that outlive them.

The hypervisors (`hypervisors.py`) are in the process that forks, kills and judges; the executor is a process of its own
that reaches them by a socket. `matrix` visits each named crash point with SIGKILL, `pairs` each pair of one and another
in the recovery.
"""
