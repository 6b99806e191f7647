"""Remora's engine: from what a fleet is to the moves that repair it.

The rooms, in the order in which data flows: `sources` -> `fleet` -> `monitors` -> `problem` -> `solve` ->
`sequence` -> `execute`; `pipeline` is the spine. Imports point only downwards (see `docs/architecture.md`).
The optimizer knows no rule: the caller hands the rules in.
"""
