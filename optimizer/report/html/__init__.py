"""Reports as HTML files that need nothing else: escaping, blocks of a page, and the file around them.

No template engine, and no script but the one that says which host a cell of a heat map is: a report comes with the
bare program. Every text goes through two functions, `text` and `data`, and through nothing else.
"""
