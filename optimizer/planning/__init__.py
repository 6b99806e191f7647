"""FROM A PROBLEM TO A PLAN: solve and order until both agree, in parts where the fleet is large, then describe.

`solve_and_order` asks the solver for placements that can be ordered; `describe` says why each move is made, what
remains and what would help (`advice`).
May not enter: rules by name, files, printing, carrying out.
"""
