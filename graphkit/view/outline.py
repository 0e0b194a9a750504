"""A graph as text: a few lines that say what a picture would. The same graph always gives the same lines."""

from __future__ import annotations

from collections.abc import Iterable

from graphkit.plan.topology import EdgeKind, Node, Topology, why_an_id
from graphkit.spec.steps import Error, Flow, Kind, Queue, Router, Task
from graphkit.view.labels import members, root_of
from graphkit.view.text import shortened, showable

_WIDTH = 100
_MOST_ROUTES = 12
_MOST_PROBLEMS = 40


def outline(topology: Topology) -> str:
    """Return the graph as indented text: its paths, routers, queues, error handlers, functions and problems.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Router, Task
    >>> models = Router(name="models", after=("clean",), routes={"iris": Task(name="iris", class_name="M")})
    >>> flow = RootFlow(steps={"clean": Task(name="clean", handler="f"), "models": models})
    >>> print(outline(trace_topology(flow)))
    flow, 2 steps and 1 route
      start -> clean -> models [router: iris] (answers)
    """
    view = _Outline(topology)
    lines = [view.title()]
    lines += view.flow("", 1) if isinstance(topology.root, Flow) else [f"  start -> {view.said('')}"]
    lines += view.nested_routes()
    lines += view.functions()
    if why := why_an_id(topology):
        lines.append(f"  {_line(why)}")
    if topology.problems:
        lines.append("  problems")
        shown = topology.problems[:_MOST_PROBLEMS]
        lines += (f"    {_named(p.path)}{_line(p.message)}" for p in shown)
        if len(topology.problems) > len(shown):
            lines.append(f"    ... and {len(topology.problems) - len(shown)} more")
    if topology.doubts:
        lines.append("  warnings")
        lines += (f"    {_line(doubt.message)}" for doubt in topology.doubts[:_MOST_PROBLEMS])
        if len(topology.doubts) > _MOST_PROBLEMS:
            lines.append(f"    ... and {len(topology.doubts) - _MOST_PROBLEMS} more")
    return "\n".join(lines)


def alt_text(topology: Topology) -> str:
    """Return one sentence that stands for the picture, for those who do not see it.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> alt_text(trace_topology(RootFlow(steps={"a": Task(name="a", handler="f")})))
    'Flow with 1 step: a, which answers.'
    """
    inner = [node for path, node in topology.nodes.items() if path]
    root = root_of(topology)
    if isinstance(topology.root, Router):
        return (
            f"Router{_called(root)} with {_count(len(inner), 'route')}{_list(node.name for node in inner)}."
            f"{_problem_count(topology)}"
        )
    steps = [node for node in inner if node.parent == ""]
    said = []
    for node in steps:
        text = _line(node.name, 40)
        if isinstance(node.step, Router):
            text += f", a router with {_count(len(node.step.routes), 'route')}"
        elif isinstance(node.step, Flow):
            text += f", a flow of {_count(len(node.step.steps), 'step')}"
        elif isinstance(node.step, Queue):
            text += ", a queue"
        elif isinstance(node.step, Error):
            text += ", an error handler"
        if node.path == topology.answer:
            text += ", which answers"
        said.append(text)
    if len(said) > 8:
        said = [*said[:7], f"and {len(said) - 7:,} more"]
    return (
        f"Flow{_called(root)} with {_count(len(steps), 'step')}{': ' if said else ''}{'; '.join(said)}."
        f"{_problem_count(topology)}"
    )


class _Outline:
    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.nodes = {**topology.nodes, "": root_of(topology)}
        self.next: dict[str, list[str]] = {}
        self.entries: dict[str, int] = {}
        self.errors: list[tuple[str, str]] = []
        self.resumes: dict[str, list[str]] = {}
        for edge in dict.fromkeys(topology.edges):
            if edge.kind is EdgeKind.FLOW:
                self.next.setdefault(edge.tail, []).append(edge.head)
                self.entries[edge.head] = self.entries.get(edge.head, 0) + 1
            elif edge.kind is EdgeKind.ERROR:
                self.errors.append((edge.tail, edge.head))
            elif edge.kind is EdgeKind.RESUME:
                self.resumes.setdefault(edge.tail, []).append(edge.head)
        self.inside = members(topology)
        self.told: set[str] = set()

    def title(self) -> str:
        root = self.nodes[""]
        counts = {"step": 0, "route": 0}
        for node in self.nodes.values():
            if node.parent is not None:
                counts["route" if self.nodes[node.parent].kind is Kind.ROUTER else "step"] += 1
        said = " and ".join(_count(n, word) for word, n in counts.items() if n) or "empty"
        return f"{'router' if root.kind is Kind.ROUTER else 'flow'}{_called(root)}, {said}"

    def flow(self, path: str, depth: int) -> list[str]:
        """Return the lines of one flow; nested flows follow, deeper ones further to the right."""
        lines: list[str] = []
        todo = [(path, depth)]
        while todo:
            path, depth = todo.pop()
            pad = "  " * depth
            if path:
                lines.append(f"{'  ' * (depth - 1)}flow {_line(path)}")
            lines += (line for chain in self._chains(path) for line in _filled(pad, chain))
            lines += (f"{pad}{line}" for line in self._handlers(path))
            nested = [p for p in self.inside.get(path, ()) if self.nodes[p].kind is Kind.FLOW]
            todo += [(p, depth + 1) for p in reversed(nested)]
        return lines

    def said(self, path: str) -> str:
        """Return a step's name, the first time with what kind of step it is."""
        node = self.nodes[path]
        name = _line(node.name, 60) or str(node.kind)
        if path in self.told:
            return name
        self.told.add(path)
        marks = ""
        step = node.step
        if isinstance(step, Router):
            kind = (step.class_name or "").rpartition(".")[2]
            marks = f" [router{' ' + _line(kind, 40) if kind and kind != name else ''}{_list(step.routes)}]"
        elif isinstance(step, Queue):
            marks = f" [queue{' ' + _line(step.path, 60) if step.path else ''}]"
        elif isinstance(step, Flow):
            marks = f" [flow of {_count(len(step.steps), 'step')}]"
        if isinstance(step, Task) and step.responder:
            marks += " (responds)"
        elif path and path == self.topology.answer:
            marks += " (answers)"
        return name + marks

    def nested_routes(self) -> list[str]:
        """Return the lines of routes that hold steps themselves."""
        lines: list[str] = []
        for path, node in self.nodes.items():
            if node.parent is None or self.nodes[node.parent].kind is not Kind.ROUTER or path not in self.inside:
                continue
            lines += [f"  route {_line(path)}: {self.said(path)}"] if node.kind is Kind.ROUTER else self.flow(path, 2)
        return lines

    def functions(self) -> list[str]:
        """Return which steps run in which child function; what a function's own steps hold is not repeated."""
        found: dict[str, list[str]] = {}
        for path, node in self.nodes.items():
            holder = "" if node.parent is None else self.nodes[node.parent].function
            if node.function and node.function != holder:
                found.setdefault(node.function, []).append(path)
        lines = []
        for name, paths in found.items():
            shown = [_line(path, 60) for path in paths[:_MOST_ROUTES]]
            more = f", and {len(paths) - len(shown):,} more" if len(paths) > len(shown) else ""
            lines.append(f"  function {_line(name, 60)}: {', '.join(shown)}{more}")
        return lines

    def _chains(self, flow: str) -> Iterable[list[str]]:
        """Yield the flow's edges as long straight pieces: each begins at a start, a fork or a join."""
        steps = [path for path in self.inside.get(flow, ()) if self.nodes[path].kind is not Kind.ERROR]
        done: set[str] = set()  # whose followers have been told
        # what lies on a loop has no head; it is told from its first step
        for path in [*(path for path in steps if self._is_head(path)), *steps]:
            if path in done:
                continue
            done.add(path)
            pieces = [self._piece(head, done) for head in self.next.get(path, ())]
            first = ["start"] if path in self.topology.starts or (flow and not self.entries.get(path)) else []
            if not pieces and not first and self.entries.get(path):
                continue  # it was told at the end of another piece
            short = [piece[0] for piece in pieces if len(piece) == 1]
            if short or not pieces:
                name = self.said(path)
                yield [*first, name, *([", ".join(map(self.said, short))] if short else [])]
                first = []
            for piece in pieces:
                if len(piece) > 1:
                    yield [*first, self.said(path), *map(self.said, piece)]
                    first = []

    def _piece(self, head: str, done: set[str]) -> list[str]:
        piece = [head]
        while head not in done and not self._is_head(head) and head in self.next:
            done.add(head)
            head = self.next[head][0]
            piece.append(head)
        return piece

    def _is_head(self, path: str) -> bool:
        return self.entries.get(path, 0) != 1 or len(self.next.get(path, ())) > 1

    def _handlers(self, flow: str) -> Iterable[str]:
        own = set(self.inside.get(flow, ()))
        heads = dict.fromkeys(
            [head for _, head in self.errors if head in own]
            + [path for path in self.inside.get(flow, ()) if self.nodes[path].kind is Kind.ERROR]
        )
        for head in heads:
            tails = [tail for tail, to in self.errors if to == head]
            on = ", ".join("any step" if tail == flow else _line(self.nodes[tail].name, 40) for tail in tails)
            back = ", ".join(_line(self.nodes[p].name, 40) for p in self.resumes.get(head, ()))
            goes = f", goes on at {back}" if back else ""
            yield f"on error of {on or 'no step'} -> {self.said(head)}{goes}"


def _filled(pad: str, chain: list[str]) -> Iterable[str]:
    line = pad + chain[0]
    for part in chain[1:]:
        if len(line) + len(part) + 4 > _WIDTH:
            yield line
            line = f"{pad}  -> {part}"
        else:
            line += f" -> {part}"
    yield line


def _list(names: Iterable[str]) -> str:
    every = list(names)
    if not every:
        return ""
    shown = [_line(name, 40) for name in every[:_MOST_ROUTES]]
    more = f", and {len(every) - len(shown):,} more" if len(every) > len(shown) else ""
    return f": {', '.join(shown)}{more}"


def _line(text: str, width: int = 300) -> str:
    return shortened(showable(text).replace("\n", "↵"), width)


def _called(root: Node) -> str:
    return f" {_line(root.name, 60)!r}" if root.name else ""


def _named(path: str) -> str:
    return f"{_line(path, 80)}: " if path else ""


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _problem_count(topology: Topology) -> str:
    found = [(len(topology.problems), "problem"), (len(topology.doubts), "warning")]
    return "".join(f" {_count(count, word)} marked." for count, word in found if count)
