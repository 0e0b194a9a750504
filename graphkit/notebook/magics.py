"""``%graph`` and ``%test``: a graph of the notebook shown, and a request sent, in one line, with completion.

Loaded with ``%load_ext graphkit``. What a user mistypes is answered with one sentence; what a step raises looks as it
does after ``server.test``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from graphkit.build.base import BaseStep
from graphkit.build.flow import RootFlowStep
from graphkit.build.steps import RouterStep
from graphkit.core.errors import GraphkitError, StepError, choices, nearest
from graphkit.notebook.asking import paths_of
from graphkit.runtime.graph import BoundGraph

_WORD = re.compile(r"\S+")
_PATH = re.compile(r"[\w./:%~-]+")


class Commands:
    """The magics of one shell.

    Parameters
    ----------
    shell
        The ``InteractiveShell``; its namespace is where graphs and servers are found.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def graph(self, line: str) -> None:
        """Show a graph: ``%graph [NAME]``.

        NAME is a graph or a server; it may be left out where there is only one. ``graph.plot("file.png")`` writes the
        picture into a file.
        """
        name = line.strip()
        found = self._find(name) if name else self._only_graph()
        from IPython.display import display

        display(graph_of(found))  # type: ignore[no-untyped-call]  # IPython has no types for it

    def test(self, line: str, cell: str | None = None) -> Any:
        """Send a request: ``%test [SERVER] [PATH] [BODY]``, or ``%%test [SERVER] [PATH]`` with the body below it.

        SERVER is a server or a graph; it may be left out where there is only one. PATH is ``/`` if it is left out. BODY
        is JSON, or an expression of the notebook, such as the name of a variable; without one the method is GET.

        Examples::

            %test iris/infer {"inputs": [[5.1, 3.5, 1.4, 0.2]]}
            %test server / event
            answer = %test event
        """
        server, rest = self._server(line.strip())
        path, rest = self._path(rest, cell is not None)
        if cell is not None and rest:
            raise _usage(f"{rest!r} is too much: %%test takes a server and a path, and the body stands below")
        text = cell.strip() if cell is not None else rest
        try:
            if not text:
                return server.test(path)
            return server.test(path, self._body(text))
        except StepError as exc:
            # told from here, so that no frame of the magics stands in what is shown
            raise exc.with_traceback(None) from exc.__cause__
        except GraphkitError as exc:
            raise _usage(exc.message) from exc

    # ---- what stands in a line ----------------------------------------------------------------------------

    def _server(self, line: str) -> tuple[Any, str]:
        """Return the server that a line begins with, or the only one, and the rest of the line."""
        match = _WORD.match(line)
        names = self._named()
        if match and match.group() in names:
            return self._as_server(names[match.group()]), line[match.end() :].strip()
        servers = _distinct(value for value in names.values() if not isinstance(value, BaseStep))
        if len(servers) == 1:
            return servers[0], line
        if servers:
            raise _usage(f"there are several servers, name one: {choices(_servers_in(names))}")
        graphs = _distinct(names.values())
        if len(graphs) == 1:
            return self._as_server(graphs[0]), line
        raise _usage(
            f"there are several graphs, name one: {choices(names)}"
            if graphs
            else "there is neither a server nor a graph: server = graph.to_mock_server()"
        )

    def _path(self, rest: str, alone: bool) -> tuple[str, str]:
        """Return the path that a line begins with, else ``/``, and the rest of the line."""
        match = _PATH.match(rest)
        if match is None or (match.end() < len(rest) and not rest[match.end()].isspace()):
            return "/", rest
        word, behind = match.group(), rest[match.end() :].strip()
        if alone or behind or word.startswith("/"):
            return word, behind
        # one word alone is a path, unless it is a value
        return ("/", rest) if word.partition(".")[0] in self._shell.user_ns or _is_json(word) else (word, "")

    def _body(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            pass  # no JSON: an expression
        try:
            return self._shell.ev(text)
        except SyntaxError as exc:
            raise _usage(f"the body is neither JSON nor an expression: {exc.msg}, {text[:60]!r}") from exc
        except Exception as exc:
            raise _usage(f"the body {text[:60]!r} cannot be made: {type(exc).__name__}: {exc}") from exc

    # ---- what there is ------------------------------------------------------------------------------------

    def _named(self) -> dict[str, Any]:
        """Return the graphs and servers of the notebook by name."""
        return {
            name: value
            for name, value in self._shell.user_ns.items()
            if isinstance(name, str) and not name.startswith("_") and _is_shown(value)
        }

    def _find(self, name: str) -> Any:
        names = self._named()
        if name not in names:
            raise _usage(f"there is no graph {name!r}; there is {choices(names)}{nearest(name, names)}")
        return names[name]

    def _only_graph(self) -> Any:
        names = self._named()
        graphs = _distinct(map(graph_of, names.values()))
        if not graphs:
            raise _usage("there is no graph yet: graph = graphkit.new_flow()")
        if len(graphs) > 1:
            raise _usage(f"there are several graphs, name one: {choices(names)}")
        return graphs[0]

    def _as_server(self, found: Any) -> Any:
        if not isinstance(found, BaseStep):
            return found
        bound = found._bound if isinstance(found._bound, BoundGraph) else None
        server = None if bound is None else getattr(bound.context, "server", None)
        return server if server is not None else found.to_mock_server(namespace=self._shell.user_ns)  # type: ignore[attr-defined]  # roots have it

    # ---- completion ---------------------------------------------------------------------------------------

    def complete_graph(self, shell: Any, event: Any) -> list[str]:
        """Return what ``%graph`` may be followed by."""
        return sorted(self._named())

    def complete_test(self, shell: Any, event: Any) -> list[str]:
        """Return what ``%test`` may be followed by: servers and graphs, then paths, then names of values."""
        names = self._named()
        before = event.text_until_cursor.split()[1:]
        if before and not event.text_until_cursor[-1:].isspace():
            before.pop()  # it is being written
        named = [names[word] for word in before[:1] if word in names]
        if len(before) > len(named):
            return [name for name in self._shell.user_ns if not name.startswith("_")]
        asked = named or _distinct(names.values())
        paths = {path for found in asked for path in paths_of(graph_of(found), getattr(found, "runs", None) or ())}
        paths |= {path.removeprefix("/v2/models/").lstrip("/") for path in paths} - {""}  # a router takes both
        return [*([] if named else sorted(names)), *sorted(paths)]


def load(shell: Any) -> None:
    """Register the magics with a shell, with their completion."""
    commands = Commands(shell)
    shell.register_magic_function(commands.graph, "line", "graph")
    shell.register_magic_function(commands.test, "line_cell", "test")
    for key in ("%graph",):
        shell.set_hook("complete_command", commands.complete_graph, str_key=key)
    for key in ("%test", "%%test"):
        shell.set_hook("complete_command", commands.complete_test, str_key=key)


def unload(shell: Any) -> None:
    """Take the magics away again."""
    for kind, name in (("line", "graph"), ("line", "test"), ("cell", "test")):
        shell.magics_manager.magics[kind].pop(name, None)
    hooks = getattr(shell.strdispatchers.get("complete_command"), "strs", {})
    for key in ("%graph", "%test", "%%test"):
        hooks.pop(key, None)


def graph_of(found: Any) -> Any:
    """Return the graph of a server; a graph is its own."""
    return found if isinstance(found, BaseStep) else found.graph


def _is_shown(value: Any) -> bool:
    if isinstance(value, BaseStep):
        return value.parent is None and isinstance(value, (RootFlowStep, RouterStep))
    # a server stands on a higher floor, and is known by what it offers
    return getattr(type(value), "kind", None) == "server" and getattr(value, "graph", None) is not None


def _distinct(values: Any) -> list[Any]:
    found: dict[int, Any] = {}
    graphs: set[int] = set()
    for value in sorted(values, key=lambda value: isinstance(value, BaseStep)):
        # of a server and its graph, the server speaks
        if not (isinstance(value, BaseStep) and id(value) in graphs):
            found[id(value)] = value
        graphs.add(id(graph_of(value)))
    return list(found.values())


def _servers_in(names: Mapping[str, Any]) -> list[str]:
    return [name for name, value in names.items() if not isinstance(value, BaseStep)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _usage(message: str) -> Exception:
    """Return an error that IPython tells in one line."""
    from IPython.core.error import UsageError

    return UsageError(message)
