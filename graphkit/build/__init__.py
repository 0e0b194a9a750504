"""The handles that users write graphs with. They edit a draft; ``">>"``, ``"*"`` and ``"$prev"`` live only here.

A draft holds names and fields, never instances: nothing in this room constructs a user's class.
"""
