"""What a notebook shows of a graph and its runs beyond the static picture; it asks lower rooms, and changes nothing.

Nothing is imported here: IPython, ipywidgets, anywidget and pygments load where they are used.
"""
