"""What a notebook shows for a graph, also for one that is broken or far too large to lay out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphkit.plan.topology import Topology, why_an_id
from graphkit.view.fold import fold
from graphkit.view.images import HTML, MOST_SHRUNK_PX, TEXT, image_bundle, outline_html, width_px
from graphkit.view.outline import alt_text, outline

#: Beyond this many steps, long straight runs and long lists of routes are drawn as one node each.
FOLD_ABOVE = 150
#: Beyond this many nodes no picture is laid out: it would take seconds and nobody could read it.
MOST_NODES = 400
_MOST_LINES = 150
_MOST_WARNINGS = 3
#: A layout that takes longer is given up; graphs with very many crossing edges are slow even when small.
_TIMEOUT_S = 8.0


def mime_bundle(
    topology: Topology,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    drawn: tuple[Topology, Any, Any] | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """Return a graph in every form that notebooks show; for ``_repr_mimebundle_``. Never raises.

    Large graphs are folded: a long run of steps, or a long list of routes or branches, becomes one node that says how
    many it stands for; what is too wide for a page is folded in smaller graphs too. What is too large even so is shown
    as an outline. Either way a line says so. A picture that is wide all the same goes from left to right, if it fits
    then. Another line says why a flow answers with an id.

    Parameters
    ----------
    topology
        The graph; problems in it are marked.
    include, exclude
        MIME types that are wanted, and that are not.
    drawn
        A picture that was drawn already, with what it shows: the topology, and what :func:`fitting` returned.
    attributes
        Attributes of the graph in DOT, such as ``rankdir="LR"``.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> flow = RootFlow(steps={"a": Task(name="a", handler="f")})
    >>> sorted(mime_bundle(trace_topology(flow)))
    ['image/png', 'image/svg+xml', 'text/html', 'text/plain']
    """
    count = len(topology.nodes) - 1
    shown, note = topology, ""
    large = count > FOLD_ABOVE
    shown = fold(topology, wide_only=not large)
    if len(shown.nodes) < len(topology.nodes):
        note = f"{count:,} steps, drawn as {len(shown.nodes) - 1:,}; plot(filename) draws them all."
    text = _cut(outline(shown if large else topology))
    if len(shown.nodes) > MOST_NODES:
        why = f"{count:,} steps are too many for a picture here; plot(filename) draws them all."
        wanted = set((HTML, TEXT) if include is None else include) - set(exclude or ())
        bundle = {HTML: outline_html(text, why), TEXT: text}
        return {kind: value for kind, value in bundle.items() if kind in wanted}

    warnings = [f"Warning: {doubt.message}." for doubt in topology.doubts[:_MOST_WARNINGS]]
    note = " ".join(filter(None, [note, why_an_id(topology), *warnings]))
    made: list[tuple[Any, Any]] = [drawn[1:]] if drawn is not None and drawn[0] == shown else []

    def pipe(format: str) -> Any:
        if not made:
            made.append(fitting(shown, **attributes))
        picture, svg = made[0]
        return svg if format == "svg" else picture.pipe(format, timeout_s=_TIMEOUT_S)

    return image_bundle(pipe, alt_text(topology), text, include, exclude, note)


def fitting(topology: Topology, **attributes: Any) -> tuple[Any, Any]:
    """Return a picture and its SVG: from the top down, but from left to right where only that fits into a page.

    Raises
    ------
    GraphkitError
        If nothing draws it.
    """
    from graphkit.view.picture import draw  # graphviz loads with the first picture

    picture = draw(topology, **attributes)
    svg = picture.pipe("svg", timeout_s=_TIMEOUT_S)
    if "rankdir" not in attributes and width_px(svg) > MOST_SHRUNK_PX:
        other = draw(topology, **{**attributes, "rankdir": "LR"})
        turned = other.pipe("svg", timeout_s=_TIMEOUT_S)
        if width_px(turned) <= MOST_SHRUNK_PX:
            return other, turned
    return picture, svg


def _cut(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _MOST_LINES:
        return text
    return "\n".join([*lines[:_MOST_LINES], f"  ... and {len(lines) - _MOST_LINES:,} more lines"])
