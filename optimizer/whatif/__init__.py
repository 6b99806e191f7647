"""WHAT IF: questions of capacity on the same fleet, rules and atoms as a plan's.

Reads a problem with VMs that have no host yet, and answers where and how many of them find one (`Room`), in numbers
with a bound. Whatever it says is possible is shown by a placement that every rule's `check` accepts.
May not enter: a rule, files, the command line, anything that changes a fleet.
"""
