"""The picture of a graph as its handles show it."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import GraphError
from graphkit.core.protocols import seam
from graphkit.plan.trace import trace_topology


def topology_of(step: Any, spec: Any = None) -> Any:
    """Return the topology of a handle: of a root, or of a router or flow taken as one.

    ``spec`` is the handle's spec, where the caller has it already.
    """
    import msgspec

    from graphkit.build.freeze import freeze
    from graphkit.spec.steps import Flow, RootFlow

    spec = freeze(step).spec if spec is None else spec
    if isinstance(spec, Flow) and not isinstance(spec, RootFlow):
        fields = {name: getattr(spec, name) for name in Flow.__struct_fields__}
        # alone, a nested flow's links to its siblings lead nowhere
        own = fields["on_error"] if fields["on_error"] in spec.steps else None
        spec = RootFlow(**{**fields, "after": (), "on_error": own})
    elif not isinstance(spec, Flow) and step.parent is not None and (spec.after or spec.on_error):
        # its place in a flow; a router that has none is the whole graph, in which both would mean nothing
        spec = msgspec.structs.replace(spec, after=(), on_error=None)
    return trace_topology(spec)


def drawn_topology(step: Any, frozen: Any = None) -> Any:
    """Return the topology of a handle as pictures show it: with the edges over which nothing fitting comes.

    ``frozen`` is the handle's frozen form, where the caller has it already.
    """
    import msgspec

    from graphkit.build.freeze import freeze

    frozen = freeze(step) if frozen is None else frozen
    topology = topology_of(step, frozen.spec)
    doubts = seam.doubts(step, frozen, topology)
    return msgspec.structs.replace(topology, doubts=doubts) if doubts else topology


def raise_problems(topology: Any) -> None:
    """Raise GraphError that lists every problem of a topology, if there is one."""
    if topology.problems:
        raise GraphError(problems=[worded(problem) for problem in topology.problems])


def worded(problem: Any) -> str:
    """Return a problem as a sentence that names its step."""
    return f"step {problem.path!r}: {problem.message}" if problem.path else str(problem.message)


class PictureMixin:
    """``plot`` and notebook display, for routers and flows."""

    def plot(
        self, filename: Any = None, format: str | None = None, source: Any = None, targets: Any = None, **kw: Any
    ) -> Any:
        """Return the picture of the graph, and write it to a file when one is named.

        Parameters
        ----------
        filename
            File to write; its suffix gives the format: png (default), svg, pdf, jpg, dot or mermaid.
        format
            Format, where the suffix does not say it.
        source
            What stands at the start: a name, or a step with name and shape.
        targets
            What stands behind the last step: names, or steps.
        **kw
            Attributes of the graphviz graph, such as ``rankdir="LR"``.

        Returns
        -------
        graphviz.Digraph
            The picture; its ``source`` is the DOT text.

        Raises
        ------
        GraphError
            If the structure is wrong; all problems are listed. Showing a graph in a notebook marks them instead.
        """
        from graphkit.view.picture import plot

        topology = drawn_topology(self)
        raise_problems(topology)
        return plot(topology, filename, format, source, targets, **kw)

    def _check(self) -> None:
        raise_problems(topology_of(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Draw what is there, with problems and doubts marked; never raises."""
        if seam.display is not None:
            return seam.display(self, include=include, exclude=exclude)
        from graphkit.view.bundle import mime_bundle

        return mime_bundle(drawn_topology(self), include=include, exclude=exclude)
