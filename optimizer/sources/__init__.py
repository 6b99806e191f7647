"""Where a fleet comes from: documents (JSON, CSV, YAML), generators, and files of the ROADEF challenge.

Everything is checked here, at the edge: what leaves this room is right, and what is wrong ends as an `InputError`
with the file, the path of the field, its value, what was expected and a hint. `kinds` says what a field may hold,
`fleet_fields` and `plan_fields` say which fields there are; checker, JSON Schema and the table of defaults all read
these same tables.

May not enter: solvers, rules.
"""
