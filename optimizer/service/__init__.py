"""The periodic run: cycles of read, watch, plan, (approve), execute, record; what is told of them; the live page.

`cycle` is one cycle, read from top to bottom; `periodic` makes one after the other, and never ends because of a bad
one. What a cycle does is handed in (`roles`): who reads, watches, plans, carries out.

May not enter: rules, solvers, hypervisors, the machine's clock.
"""
