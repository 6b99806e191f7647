"""Fleets that are hard on a clock, made by kind and seed, and the trial of limits and interrupts over them.

`fleets` makes documents, `trial` runs whole processes on them. Nothing here imports the program: the right value of a
kind follows from how its fleets are made.
"""
