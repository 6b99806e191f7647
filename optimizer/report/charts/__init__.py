"""Charts of a report, drawn here: shapes in named paints, written as SVG (in a report or alone) or as PNG.

A chart has a title, axes with units, and a text alternative; its colours follow light and dark. It knows no question:
it is handed numbers and names.
"""
