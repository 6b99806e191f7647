"""WHAT STOPS IT: proofs that something cannot be, as small as they can be, and the smallest change that helps.

`stops.what_stops` answers one question: a goal (`goals`) is put beside the `elements` of a problem, each of which can
be lifted; `minimal_set` finds elements that exclude the goal together and of which none can be left out, `corrections`
the fewest that have to be lifted, `applied` lifts them and plans again.
May not enter: rules by name, files, printing.
"""
