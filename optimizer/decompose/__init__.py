"""PARTS: how a fleet that is too large for one search is cut into subproblems that can be solved on their own.

What the subproblems find can be joined: no instance of the whole is worse than at the start.
May not enter: solvers (whoever asks for the parts solves them), rules, files.
"""
