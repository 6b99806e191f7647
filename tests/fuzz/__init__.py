"""A fuzzer of the whole command line: fleets, policies, overlays, plans and arguments, up to the limits of the format.

``python -m tests.fuzz --seconds 3600 --seed 1`` prints how many cases were tried and what was wrong with them; a case
is repeated alone with ``--only NUMBER``, and ``--keep DIRECTORY`` keeps the files of each that failed.
"""
