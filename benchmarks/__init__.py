"""How fast and how good, as a user meets it: whole processes, measured from outside, beside a fixed reference.

A case is one file in `benchmarks/cases` that registers itself. What a number means stands in ``docs/benchmarks.md``.
Nothing here is imported by the program, and no case imports it: a benchmark sees what a user sees. `regression`, which
asks whether a change made things worse, looks inside.

May not enter: anything that the program imports.
"""
