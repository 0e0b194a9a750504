"""The public face: a server over a graph, for tests in a notebook and for every other way to run it."""
