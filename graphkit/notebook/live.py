"""The live picture of a graph: a widget around the renderer's SVG that follows the draft, and its runs.

What is drawn is worked out here, in a thread of its own; the page only shows it, moves what moved, and marks what ran.
Importing this module loads the widget machinery; :mod:`graphkit.notebook.display` does so when a graph is shown.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import anywidget
import traitlets

from graphkit.build.freeze import freeze
from graphkit.build.picture import drawn_topology
from graphkit.notebook.aside import inspected
from graphkit.notebook.drawing import Drawing, all_that_fit, draw_live
from graphkit.notebook.pacing import Pacer
from graphkit.notebook.painting import paint
from graphkit.notebook.palette import palette_css
from graphkit.notebook.tally import Tally
from graphkit.runtime.freshness import Freshness, not_fresh
from graphkit.view.bundle import mime_bundle

#: The page's module, in the order in which its files are joined: a widget is one module, without imports.
_SCRIPTS = (
    *("safe.js", "stage.js", "motion.js", "marks.js", "keys.js", "says.js", "aside.js", "tip.js", "find.js", "live.js"),
)
_ATTEMPTS = 20
#: Of larger graphs only what the draft itself tells is followed, as to read them after each cell would take too long.
_MOST_LOOKED_AT = 2_000


def _text_of(*names: str) -> str:
    folder = resources.files("graphkit.notebook") / "widget"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


class LiveGraph(anywidget.AnyWidget):
    """A live picture of a graph, to put into a cell or among other widgets.

    Steps that are added later appear in it, runs of any server over the graph light their way, and what is selected is
    inspected beside it. It may be shown several times.

    Parameters
    ----------
    root
        The graph: the outermost flow or router.
    server
        The server whose runs are inspected; left out, the one that ran or was bound last.

    Attributes
    ----------
    selected
        Path of the selected step, such as ``"models/iris"``; ``""`` for none. May be set.
    selected_edge
        Id of the selected edge, such as ``"flow:clean:models"``.

    Examples
    --------
    >>> from graphkit.build.flow import new_flow
    >>> graph = new_flow()
    >>> live = LiveGraph(graph)
    >>> _ = graph.to(name="double", handler="(event * 2)")
    >>> live.settle()
    >>> list(live.nodes)
    ['double']
    """

    _esm = _text_of(*_SCRIPTS)
    _css = palette_css() + _text_of("live.css")
    _picture = traitlets.Dict().tag(sync=True)
    _paint = traitlets.Dict().tag(sync=True)
    #: A class of HTML elements that are hidden while the picture is shown live: its static forms.
    twin = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    selected_edge = traitlets.Unicode("").tag(sync=True)

    def __init__(self, root: Any, server: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.twin = f"gk-twin-{self.model_id}"
        self._root_ref = weakref.ref(root)
        self._server_ref: Callable[[], Any] = _nobody if server is None else weakref.ref(server)
        self._opened: set[str] = set()
        self._closed: set[str] = set()
        self._lock = threading.RLock()
        self._drawing: Drawing | None = None
        self._drawn_of: Any = None
        self._count = 0
        self._redraw = Pacer(self._draw, quiet_s=0.025, most_s=0.15)
        self._repaint = Pacer(self._show_paint, quiet_s=0.02, most_s=0.05)
        #: What the last run did; ``show`` and ``clear`` may be called.
        self.tally = Tally(self._repaint.ask)
        self._listener = _Listener(self)
        root.watch.add(self._listener)
        self.on_msg(self._on_message)
        self._draw()

    # ---- what is shown ------------------------------------------------------------------------------------

    @property
    def root(self) -> Any:
        """The graph; ``None`` when nobody holds it any more."""
        return self._root_ref()

    @property
    def server(self) -> Any:
        """The server whose runs are inspected."""
        server = self._server_ref()
        if server is not None:
            return server
        bound = getattr(self.root, "_bound", None)
        return getattr(getattr(bound, "context", None), "server", None)

    @property
    def nodes(self) -> Mapping[str, str]:
        """The name that each shown step has on the picture, by path."""
        assert self._drawing is not None
        return {path: node.name for path, node in self._drawing.shown.nodes.items() if path}

    @property
    def topology(self) -> Any:
        """The graph as it was drawn last, with nothing folded."""
        assert self._drawing is not None
        return self._drawing.topology

    def fold(self, *keys: str) -> None:
        """Fold groups, given by key (``"in:models"`` is what ``models`` holds); none given: as a large graph begins."""
        self._fold(keys, False)

    def unfold(self, *keys: str) -> None:
        """Show what is in groups; none given: everything, or as much as a picture has room for."""
        self._fold(keys, True)

    def show_run(self, record: Any, steps: int | None = None) -> None:
        """Lay a recorded run over the picture; with ``steps`` only its first ones, and the next as running."""
        self.tally.show(record, steps)

    def look_again(self) -> None:
        """Look whether what steps are made of has changed: a cell was run again."""
        if len(self.topology.nodes) <= _MOST_LOOKED_AT:
            self._redraw.ask()
        self._repaint.ask()

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until everything that has happened so far is drawn."""
        self._redraw.wait(timeout_s)
        self._repaint.wait(timeout_s)

    # ---- drawing ------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        with self._lock:
            root = self.root
            if root is None:
                return
            topology = _read(root)
            wanted = topology, frozenset(self._opened), frozenset(self._closed)
            if wanted == self._drawn_of:
                return
            self._drawing = draw_live(topology, self._opened, self._closed)
            self._drawn_of = wanted
            self._count += 1
            with self.hold_sync():
                self._picture = {**self._drawing.page, "revision": self._count}
                self._paint = self._painted()

    def _show_paint(self) -> None:
        with self._lock:
            if self._drawing is not None and self.root is not None:
                self._paint = self._painted()

    def _painted(self) -> dict[str, Any]:
        assert self._drawing is not None
        outcome, steps = self.tally.seen()
        return paint(self._drawing, outcome, steps, self._freshness())

    def _freshness(self) -> dict[str, Freshness]:
        root = self.root
        bound = root._bound
        server = getattr(getattr(bound, "context", None), "server", None)
        if bound is None or server is None:
            return {}
        if bound.revision == root._revision and not bound.watch.changed():
            return {}
        assert self._drawing is not None
        return not_fresh(bound, self._drawing.topology, server._namespace or {}, freeze(root))

    def _fold(self, keys: Any, opened: bool) -> None:
        with self._lock:
            assert self._drawing is not None
            into, out_of = (self._opened, self._closed) if opened else (self._closed, self._opened)
            if keys:
                into.update(keys)
                out_of.difference_update(keys)
            else:
                self._opened = all_that_fit(self._drawing) if opened else set()
                self._closed = set()
        self._redraw.ask()

    def _used_by(self, server: Any) -> None:
        self._server_ref = weakref.ref(server)

    # ---- the page's requests ------------------------------------------------------------------------------

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "inspect":
            self._inspect(str(content.get("id", "")))
        elif kind == "fold":
            self._fold([str(name) for name in content.get("groups", ())], bool(content.get("open")))

    def _inspect(self, name: str) -> None:
        with self._lock:
            drawing = self._drawing
        assert drawing is not None
        _, steps = self.tally.seen()
        self.send({"type": "panel", "id": name, "html": inspected(drawing, steps, name, self.root, self.server)})

    def view(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what displays the widget, and nothing else, as a MIME bundle with its metadata."""
        made = super()._repr_mimebundle_()
        data, metadata = made if isinstance(made, tuple) else (made or {}, {})
        return {kind: value for kind, value in data.items() if "widget-view" in kind}, metadata

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        """Return the widget together with the static forms, for whoever cannot show it."""
        data, metadata = self.view()
        return {**data, **self.static(include, exclude)}, metadata

    def static(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the picture in the forms that need no widget."""
        self.settle(2.0)
        drawing = self._drawing
        assert drawing is not None
        return mime_bundle(drawing.topology, include, exclude, drawn=drawing.drawn)


class _Listener:
    """What the graph's watch holds: it passes on what it is told, and keeps neither widget nor graph alive."""

    def __init__(self, live: LiveGraph) -> None:
        self._live = weakref.ref(live)
        self.run_started = live.tally.run_started
        self.step_started = live.tally.step_started
        self.step_ended = live.tally.step_ended

    def changed(self) -> None:
        live = self._live()
        if live is not None:
            live._redraw.ask()

    def run_ended(self, server: Any, record: Any) -> None:
        live = self._live()
        if live is not None:
            live._used_by(server)
            live.tally.run_ended(server, record)


def _nobody() -> None:
    return None


def _read(root: Any) -> Any:
    """Return a draft's topology, read while another thread may be changing it."""
    for _ in range(_ATTEMPTS):
        revision = root._revision
        try:
            topology = drawn_topology(root)
        except RuntimeError:  # a dict changed its size while it was walked
            continue
        if root._revision == revision:
            return topology
    return drawn_topology(root)  # it changes all the time; what is missing is drawn with the next change
