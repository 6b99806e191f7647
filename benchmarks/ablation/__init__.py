"""Ablation: what each mechanism of the search is worth, on classes of fleets on which it could matter.

`mechanisms` names what is switched off and how, `classes` makes the fleets, `fleets` those that no other room makes,
`measure` plans with and without, `compare` judges the pairs, `report` prints them. All of it is in deterministic mode,
so a difference of plans is one of the mechanism and no noise of the machine; only CPU time has noise, which the row
of `nothing` shows.
"""
