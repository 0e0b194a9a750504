"""How a graph shows itself where it stands last in a cell: live where that works, else as a picture. Never raises.

What is live needs its kernel. A notebook that is opened again without it would say that a widget was not found, and
nothing else of the same output would show. So the live view is an output of its own, and the static forms are the
cell's result: hidden while there is a live view of them, and there whenever there is none.
"""

from __future__ import annotations

import importlib.util
import sys
import weakref
from collections.abc import Mapping
from html import escape
from typing import Any

_HTML = "text/html"
WIDGET = "application/vnd.jupyter.widget-view+json"
_MISSING = "For a live picture, install anywidget: pip install 'graphkit-serving[notebook]'"


class Display:
    """Shows graphs, and remembers the live picture of each, so that all its views are one.

    It loads the widget machinery with the first graph that is shown in a notebook.

    Examples
    --------
    >>> from graphkit.build.flow import new_flow
    >>> sorted(Display()(new_flow(), include=["text/plain"]))
    ['text/plain']
    """

    def __init__(self) -> None:
        self._pictures: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._hooked: Any = None

    def __call__(self, root: Any, include: Any = None, exclude: Any = None) -> Any:
        """Return the static forms of a graph; where a page looks on, the live view is displayed before them."""
        shell = shell_of_notebook()
        if shell is None or root._parent is not None:
            return _static(root, include, exclude)
        if importlib.util.find_spec("anywidget") is None:
            return _with_line(_static(root, include, exclude), _MISSING)
        try:
            live = self.live(root)
            self._hook(shell)
            static = live.static(include, exclude)
            if (include is None or WIDGET in include) and WIDGET not in (exclude or ()):
                view, metadata = live.view()
                shell.display_pub.publish(view, metadata)
                static = hidden_while_live(static, live.twin)
            return static
        except Exception as exc:  # a graph is shown even where widgets do not work; the reason stands beside it
            bundle = _static(root, include, exclude)
            return _with_line(bundle, f"The live picture does not work here: {type(exc).__name__}: {exc}")

    def live(self, root: Any) -> Any:
        """Return the live picture of a graph; there is one for each."""
        from graphkit.notebook.live import LiveGraph

        known = self._pictures.get(id(root))
        if known is not None and known[0]() is root:
            return known[1]
        picture = LiveGraph(root)
        self._pictures[id(root)] = weakref.ref(root), picture
        return picture

    def _hook(self, shell: Any) -> None:
        """Look after each cell whether code has changed that a graph is made of."""
        if self._hooked is not shell:
            self._hooked = shell
            shell.events.register("post_run_cell", self._after_cell)

    def _after_cell(self, *_: Any) -> None:
        for key, (root, picture) in list(self._pictures.items()):
            if root() is None:
                del self._pictures[key]  # its picture stays on the page as it is
            else:
                picture.look_again()


def shell_of_notebook() -> Any:
    """Return the kernel's shell if a page is looking on that could show a widget, else ``None``.

    Programs that only execute notebooks, such as nbconvert and nbval, take no input; what they keep is read where the
    widget is not.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    content: Mapping[str, Any] = kernel.get_parent("shell").get("content", {})
    return shell if content.get("allow_stdin", True) else None


def _static(root: Any, include: Any, exclude: Any) -> dict[str, Any]:
    from graphkit.build.picture import drawn_topology  # what draws is loaded with the first picture
    from graphkit.view.bundle import mime_bundle

    return mime_bundle(drawn_topology(root), include=include, exclude=exclude)


def _with_line(bundle: dict[str, Any], line: str) -> dict[str, Any]:
    if _HTML in bundle:
        bundle[_HTML] += f"<div>{escape(line)}</div>"
    return bundle


# While the live view is on its way the picture waits; where it cannot come, what is said instead of it is not shown.
_STYLE = (
    "<style>"
    ".gk-static{overflow:hidden}"
    f'.jp-OutputArea-child:has(>[data-mime-type="{WIDGET}"]:not(.jupyter-widgets))+.jp-OutputArea-child .gk-static'
    "{animation:gk-late 0s 1.5s backwards}"
    "@keyframes gk-late{from{max-height:0;opacity:0}}"
    ".jp-OutputArea-child:has(>.jp-OutputArea-output.jupyter-widgets):has(+.jp-OutputArea-child .gk-static)"
    "{display:none}"
    "</style>"
)


def hidden_while_live(bundle: dict[str, Any], twin: str) -> dict[str, Any]:
    """Return static forms that are not seen while a live view with this class of ``twin`` is on the page."""
    if _HTML in bundle:
        bundle[_HTML] = f'<div class="gk-static {twin}">{_STYLE}{bundle[_HTML]}</div>'
    return bundle
