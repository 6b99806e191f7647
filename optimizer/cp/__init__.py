"""THE CP-SAT MODEL: the atoms as constraints of OR-Tools, over all VMs (exact) or a few of them (a neighbourhood).

`model.Model` is the model, `atoms` says each atom in it, `staged_model` adds in which stage each VM moves.
May not enter: search strategies, bounds of its own, rules, files.
"""
