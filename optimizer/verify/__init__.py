"""THE JUDGE OF PLANS: every reachable state, every word that a plan says of itself, every part of its proof.

A contract: of this house it imports `problem`, `fleet`, `reachability` and the plain data of `plan` and `policy`, and
nothing that plans. `verify.verify` is the door.

May not enter: anything that plans.
"""
