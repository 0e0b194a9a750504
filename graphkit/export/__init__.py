"""From a notebook or a module to a folder that runs anywhere: spec, code, requirements, recorded cases.

This room reads what is there and writes files. It runs nothing: that the folder answers as the graph did is checked
upstairs, by ``server.export_check``, in a fresh process.
"""
