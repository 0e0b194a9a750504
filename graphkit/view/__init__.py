"""How graphs, values and runs look: pictures, outlines, tables. It shows what it is given and changes nothing.

Nothing is imported here, so that each part is loaded (and ``graphviz`` with it) when something is shown.
"""
