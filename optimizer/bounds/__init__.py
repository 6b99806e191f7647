"""HOW FAR FROM THE BEST: lower bounds on what any plan leaves broken and on how much has to move, with their parts.

The eviction relaxation drops every destination and keeps what departures alone must achieve; its connected components
are independent, so their minima add up. `refutation` raises the sum where it cannot be reached.
May not enter: rules, files, an order of moves, and any search for placements (`repair` imports this room).
"""
