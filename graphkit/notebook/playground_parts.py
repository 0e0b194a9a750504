"""Small parts of the playground: notices, buttons, labels, and the forms that need no widgets."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from graphkit.build.picture import topology_of
from graphkit.runtime.records import RunRecord
from graphkit.view import theme
from graphkit.view.bundle import mime_bundle
from graphkit.view.run_table import duration, run_html
from graphkit.view.text import shortened, showable

VIEWS = ("Result", "Steps", "Compare", "Burst")
_MOST_HTML = 300_000
_COLORS = {"good": theme.GOOD_SIGN, "wrong": theme.WRONG_SIGN}
_INSTALL = "For the playground's controls: pip install 'graphkit-serving[notebook]', then restart the kernel."


def notice(text: str, kind: str = "") -> str:
    """Return a line that screen readers read out when it changes; all of the text is shown as text."""
    mark = f"border-left:4px solid {_COLORS[kind]};" if kind else ""
    role = "alert" if kind == "wrong" else "status"
    told = escape(shortened(showable(text), 2000))
    return (
        f'<div role="{role}" class="graphkit-notice {kind}" style="{mark}padding:0 8px;line-height:1.4;'
        f'white-space:pre-wrap;overflow-wrap:anywhere;color:var(--jp-content-font-color1,inherit)">{told}</div>'
    )


def run_label(run: RunRecord) -> str:
    """Return a run as a short line for lists."""
    replay = f", replay{f' from {run.start}' if run.start else ''}" if run.replay_of else ""
    asked = shortened(showable(f"{run.method} {run.path}").replace("\n", " "), 60)
    return f"{asked} → {run.status} in {duration(run.duration_us)}{replay}"


def bounded_html(shown: Any, html: str | None = None) -> str:
    """Return an object's HTML, or its text where that would be too much for a page."""
    if html is None:
        html = str(shown._repr_html_())
    return html if len(html) <= _MOST_HTML else f"<pre>{escape(repr(shown)[:_MOST_HTML])}</pre>"


def button(text: str, says: str, style: str = "", disabled: bool = False) -> Any:
    """Return a button."""
    import ipywidgets as w

    return w.Button(
        description=text, tooltip=says, button_style=style, disabled=disabled, layout=w.Layout(width="auto")
    )


def shown(box: Any, visible: bool) -> None:
    """Show or hide a widget."""
    box.layout.display = "" if visible else "none"


def static_forms(
    server: Any, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, hint: bool = False
) -> dict[str, Any]:
    """Return a playground in the forms that need no widgets: the picture, and the last run below it."""
    forms = mime_bundle(topology_of(server.graph), include=include, exclude=exclude)
    run, line = server.last_run, _INSTALL if hint else ""
    if "text/html" in forms:
        table = "" if run is None else bounded_html(run, run_html(run, picture=False))  # one picture is enough
        forms["text/html"] = forms["text/html"] + table + (notice(line) if line else "")
    if "text/plain" in forms:
        forms["text/plain"] = "\n".join(filter(None, [forms["text/plain"], "" if run is None else repr(run), line]))
    # a picture alone would be shown rather than the text with it
    return {kind: form for kind, form in forms.items() if not kind.startswith("image/")}


class StaticPlayground:
    """A playground where the widgets are not installed: the picture, the last run, and what to install.

    Parameters
    ----------
    server
        The server.
    """

    def __init__(self, server: Any) -> None:
        self.server = server

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return static_forms(self.server, include, exclude, hint=True)

    def __repr__(self) -> str:
        return str(static_forms(self.server, hint=True)["text/plain"])
