"""The picture of a graph: a ``graphviz.Digraph`` that draws itself with the program that is there.

``graphviz`` keeps the program's name in a constant of a module and runs it from functions that read it. To set that
constant would change every other graph in the process, and would not be safe among threads; so
:class:`GraphPicture` replaces the two public methods that run the program, ``pipe`` and ``render``, and uses
:mod:`graphkit.view.render`. Everything else, such as adding nodes or ``source``, is graphviz's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import graphviz

from graphkit.core.errors import GraphkitError, choices, nearest
from graphkit.plan.topology import Topology
from graphkit.view.dot import HEAD, dot_lines
from graphkit.view.images import HTML, TEXT, image_bundle
from graphkit.view.mermaid import mermaid
from graphkit.view.outline import alt_text, outline
from graphkit.view.render import FORMATS, render
from graphkit.view.text import is_script

_TEXT_FORMATS = frozenset({"dot", "gv", "mmd", "mermaid"})
_BITMAPS = frozenset({"png", "jpg", "jpeg", "jpe", "gif", "bmp", "webp", "tif", "tiff"})
_LINKS = frozenset(
    {"url", "href", "edgeurl", "edgehref", "headurl", "headhref", "labelurl", "labelhref", "tailurl", "tailhref"}
)
#: Files are sharper than screens need, as they are scaled in documents.
_FILE_DPI = 144
#: A cell that shows a picture waits so long for each of its forms, then it shows the outline.
_PATIENCE_S = 30.0
#: Statements beyond which a picture is large.
_LARGE = 2000


class GraphPicture(graphviz.Digraph):  # type: ignore[misc]  # graphviz ships no types
    """A picture of a graph; all of ``graphviz.Digraph``, drawn by whichever renderer is found.

    ``alt`` is a sentence that stands for the picture, ``outline`` the graph as text; both go into notebooks.
    """

    alt: str = ""
    outline: str = ""

    def pipe(
        self,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = True,
        *,
        engine: str | None = None,
        encoding: str | None = None,
        dpi: int | None = None,
        timeout_s: float | None = None,
    ) -> bytes | str:
        """Return the picture in a format, as bytes, or as text when an encoding is given.

        ``renderer``, ``formatter``, ``neato_no_op`` and ``quiet`` are graphviz's and have no effect: what the program
        says when it succeeds is never shown.
        """
        drawn = render(
            self.source, (format or self.format).lower(), engine=engine or self.engine, dpi=dpi, timeout_s=timeout_s
        )
        return drawn if encoding is None else drawn.decode(encoding)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = True,
        quiet_view: bool = False,
        *,
        outfile: str | os.PathLike[str] | None = None,
        engine: str | None = None,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
    ) -> str:
        """Save the DOT text and, beside it, the picture; returns the picture's path.

        As with graphviz, ``filename`` is the DOT file's and the picture's is ``<filename>.<format>``, unless
        ``outfile`` names it. ``cleanup`` deletes the DOT file afterwards.
        """
        folder = Path(self.directory if directory is None else directory)
        if outfile is not None:
            target = folder / outfile
            format = format or target.suffix[1:]
            saved = folder / filename if filename else target.with_suffix(".gv")
        format = (format or self.format).lower()
        if outfile is None:
            saved = folder / (filename or self.filename)
            target = saved.with_name(f"{saved.name}.{format}")
        if raise_if_result_exists and target.exists():
            raise graphviz.FileExistsError(f"output file exists: {str(target)!r}")
        if target == saved and not overwrite_source:
            raise ValueError(f"the picture would overwrite its own DOT text, {str(saved)!r}")
        drawn = self.pipe(format, engine=engine)
        assert isinstance(drawn, bytes)
        self.save(saved.name, directory=saved.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(drawn)
        if cleanup:
            saved.unlink()
        if view or quiet_view:
            graphviz.view(str(target), quiet=quiet_view)
        return str(target)

    def copy(self) -> GraphPicture:
        """Return a copy that can be added to without changing this picture."""
        new: GraphPicture = super().copy()
        new.alt, new.outline = self.alt, self.outline
        return new

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        if include is None and len(self.body) > _LARGE:
            include = (HTML, TEXT)  # megabytes each: one form is enough

        def pipe(format: str) -> bytes | str:
            return self.pipe(format, timeout_s=_PATIENCE_S)

        return image_bundle(pipe, self.alt, self.outline or self.source, include, exclude)

    def __repr__(self) -> str:
        return f"GraphPicture({self.alt!r})" if self.alt else "GraphPicture()"


def draw(
    topology: Topology, source: Any = None, targets: Iterable[Any] | None = None, **attributes: Any
) -> GraphPicture:
    """Return the picture of a graph.

    Parameters
    ----------
    topology
        The graph.
    source, targets
        Where events come from and where output goes; see :func:`graphkit.view.dot.dot_lines`.
    attributes
        Attributes of the graph in DOT, such as ``rankdir="LR"``. Links that would run code are left out.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> flow = RootFlow(steps={"clean": Task(name="clean", handler="f")})
    >>> draw(trace_topology(flow), rankdir="LR")
    GraphPicture('Flow with 1 step: clean, which answers.')
    """
    picture = GraphPicture("graphkit", format="png", body=HEAD)
    picture.attr("graph", _attributes=_safe(attributes))  # between the defaults and what they apply to
    picture.body += dot_lines(topology, source, targets)[len(HEAD) :]
    picture.alt = alt_text(topology)
    picture.outline = outline(topology)
    return picture


def save_picture(
    topology: Topology,
    filename: str | os.PathLike[str],
    format: str | None = None,
    source: Any = None,
    targets: Iterable[Any] | None = None,
    **attributes: Any,
) -> Path:
    """Write the picture of a graph to a file, and return its path.

    Parameters
    ----------
    topology, source, targets, attributes
        As in :func:`draw`.
    filename
        Its suffix names the format; a name without one gets the format's.
    format
        ``png`` (the default), ``svg``, ``jpg``, ``pdf`` (needs a system Graphviz), ``dot``, ``mmd`` (Mermaid), ...

    Raises
    ------
    GraphkitError
        If the format is unknown, or no renderer writes it.
    """
    path, format = _file_and_format(Path(filename), format)
    if format in ("mmd", "mermaid"):
        data = mermaid(topology, source, targets, rankdir=attributes.get("rankdir")).encode()
    else:
        picture = draw(topology, source, targets, **attributes)
        data = _drawn(picture, format)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def plot(
    topology: Topology,
    filename: str | os.PathLike[str] | None = None,
    format: str | None = None,
    source: Any = None,
    targets: Iterable[Any] | None = None,
    **attributes: Any,
) -> GraphPicture:
    """Return the picture of a graph, and write it to a file when ``filename`` is given (see :func:`save_picture`)."""
    if filename:
        save_picture(topology, filename, format, source, targets, **attributes)
    return draw(topology, source, targets, **attributes)


def _drawn(picture: GraphPicture, format: str) -> bytes:
    if format in ("dot", "gv"):
        return str(picture.source).encode("utf-8", "replace")
    drawn = picture.pipe(format, dpi=_FILE_DPI if format in _BITMAPS else None)
    assert isinstance(drawn, bytes)
    return drawn


def _file_and_format(path: Path, format: str | None) -> tuple[Path, str]:
    allowed = FORMATS | _TEXT_FORMATS
    suffix = path.suffix[1:].lower()
    if format is None:
        format = suffix or "png"
    format = format.lower().lstrip(".")
    if format not in allowed:
        raise GraphkitError(
            f"a picture cannot be saved as {format!r}{nearest(format, allowed)}; "
            f"there is {choices(allowed, most=len(allowed))}"
        )
    if suffix != format:
        # in "v1.2" the last part is no suffix of a picture, so it stays
        path = path.with_suffix(f".{format}") if suffix in allowed else path.with_name(f"{path.name}.{format}")
    return path, format


def _safe(attributes: Mapping[str, Any]) -> dict[str, str]:
    kept = {}
    for name, value in attributes.items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if is_script(text):
            if name.lower() in _LINKS:
                continue
            text = graphviz.escape(text)  # as text it does nothing, as HTML its links would
        kept[name] = text
    return kept
