"""Whose what is that was asked of the wrong object: of a step, where its graph or its server was meant."""

from __future__ import annotations

from typing import Any

#: What users ask a graph for that belongs to a server.
_OF_SERVERS = frozenset({"burst", "last_run", "playground", "record", "replay", "runs", "submit", "test"})


def who_has(step: Any, name: str) -> str:
    """Return who has what a handle lacks, as the end of a message; nothing where nobody has it.

    A chain of calls ends with a step, so that ``graph = graphkit.new_flow().to(clean)`` is one.

    >>> who_has(None, "test")
    '; a server has it: server = graph.to_mock_server(), then server.test'
    """
    if name.startswith("_"):
        return ""  # asked by tools, also of handles that are not made yet
    if name in _OF_SERVERS:
        return f"; a server has it: server = graph.to_mock_server(), then server.{name}"
    root = step._root
    if root is not step and hasattr(type(root), name):
        return f"; the graph that the step stands in has it: graph = graphkit.new_flow(), graph.to(...), graph.{name}"
    return ""
