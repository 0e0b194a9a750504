"""Batch: many rows through a server, a chunk at a time, from a table or a file. It knows servers only as a protocol."""
