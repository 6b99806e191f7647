"""The commands, one a file: read what is named, call the engine, print.

A command imports numpy, the solver and the reports inside its function, so that ``remora --help`` is instant.

May not enter: logic; anything heavy at import.
"""
