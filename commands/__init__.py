"""The commands, one a file: read what is named, call the engine, print. No logic, and nothing heavy at import.

A command imports numpy, the solver and the reports inside its function, so that ``remora --help`` is instant.
"""
