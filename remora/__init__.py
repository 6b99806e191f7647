"""Remora from Python: fleets, policies, plans and what-if questions as values, with the meaning of the commands.

>>> import remora
>>> fleet, policy = remora.read_fleet("fleet.json"), remora.read_policy("default")
>>> plan = remora.plan(fleet, policy, seconds=10)
>>> remora.verify(fleet, policy, plan).findings

The same rules, limits and errors as on the command line; nothing is printed, and nothing is changed. What is wrong with
an input is an `InputError` that names file, field, value and what to do; what is only doubtful is a Python warning,
`InputWarning`.

May not enter: logic, printing.
"""

from optimizer.caution import Caution
from optimizer.errors import InputError
from optimizer.plan import Plan
from optimizer.policy import Policy
from remora import whatif
from remora.doubts import InputWarning
from remora.fleets import Fleet, fleet_from, policy_from, read_fleet, read_policy
from remora.planning import cautions, check, plan, read_plan, verify, write_plan

__all__ = [
    "Caution",
    "Fleet",
    "InputError",
    "InputWarning",
    "Plan",
    "Policy",
    "cautions",
    "check",
    "fleet_from",
    "plan",
    "policy_from",
    "read_fleet",
    "read_plan",
    "read_policy",
    "verify",
    "whatif",
    "write_plan",
]
