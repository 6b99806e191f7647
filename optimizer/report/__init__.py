"""PLANS THAT PEOPLE CAN READ: facts about fleets, plans and violations, and pages that show them.

Each file gathers facts as plain data first (what ``--json`` prints) and makes a `Page` of them second. Nothing here
searches, decides, or writes a file; names come from files and are hostile, so every cell passes `words.clean`.

May not enter: planning, decisions, writing files.
"""
