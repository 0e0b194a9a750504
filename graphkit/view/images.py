"""What a notebook is given for a picture. It knows how to ask for images, not what they show."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from graphkit.core.errors import GraphkitError

HTML, SVG, PNG, JPEG, TEXT = "text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain"
#: What is given when nothing is asked for. JPEG only on demand.
DEFAULT = (HTML, SVG, PNG, TEXT)
_KNOWN = (*DEFAULT, JPEG)
#: A notebook's page has about 900 pixels. What is a little wider is shrunk to it; beyond this, text could not be read,
#: and the picture keeps its size and scrolls.
MOST_SHRUNK_PX = 1250
#: On a dark page the picture is a sheet of paper: its colours are made for a white ground.
_PAPER = "background:white;padding:6px;border:1px solid rgba(128,128,128,.35);border-radius:6px;box-sizing:border-box"
_WIDTH = re.compile(rb'<svg width="([0-9.]+)pt"')


def image_bundle(
    pipe: Callable[[str], Any],
    alt: str,
    outline: str,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Return a picture in every form that notebooks show; never raises.

    An untrusted notebook, such as any tutorial that was cloned, drops SVG and scripts. An ``<img>`` with the SVG as
    data survives there, keeps its own colours in dark themes, and carries a text for those who do not see it.

    Parameters
    ----------
    pipe
        Returns the picture in a format, ``svg`` or ``png``, as bytes.
    alt
        A sentence that stands for the picture.
    outline
        Text that is shown when nothing can be drawn, and in consoles.
    include, exclude
        MIME types that are wanted, and that are not; forms that are not wanted are not drawn.
    note
        A line to show beneath the picture.

    Examples
    --------
    >>> image_bundle(lambda format: b"<svg/>", "A picture.", "a -> b", include=["text/html"])
    {'text/html': '<img alt="A picture." src="data:image/svg+xml;base64,PHN2Zy8+" style="..."/>'}
    """
    wanted = set(DEFAULT if include is None else include) - set(exclude or ())
    bundle: dict[str, Any] = {}
    problem = ""
    try:
        if wanted & {HTML, SVG}:
            svg = bytes(pipe("svg"))
            bundle[HTML] = image_html(svg, alt) + (f"<div>{escape(note)}</div>" if note else "")
            bundle[SVG] = svg.decode("utf-8")
        if PNG in wanted:
            bundle[PNG] = bytes(pipe("png"))
        if JPEG in wanted:
            bundle[JPEG] = bytes(pipe("jpeg"))
    except Exception as exc:  # to show an object never fails; what went wrong is shown with it
        problem = str(exc) if isinstance(exc, GraphkitError) else f"{type(exc).__name__}: {exc}"
    if problem and HTML not in bundle:
        bundle[HTML] = outline_html(outline, problem)
    bundle[TEXT] = outline
    return {kind: bundle[kind] for kind in _KNOWN if kind in wanted and kind in bundle}


def outline_html(outline: str, note: str) -> str:
    """Return the outline for a page, with a line that says why there is no picture.

    >>> outline_html("a -> b", "no renderer")
    '<pre style="...">a -&gt; b</pre><div>no renderer</div>'
    """
    return f'<pre style="margin:0;line-height:1.35;overflow-x:auto">{escape(outline)}</pre><div>{escape(note)}</div>'


def image_html(svg: bytes, alt: str) -> str:
    """Return a picture as an ``<img>``, which untrusted notebooks keep; ``alt`` stands for it in words."""
    data = base64.b64encode(svg).decode("ascii")
    wide = width_px(svg) > MOST_SHRUNK_PX
    size = "max-width:none" if wide else "max-width:100%;height:auto"
    image = f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}" style="{size};{_PAPER}"/>'
    return f'<div style="overflow-x:auto">{image}</div>' if wide else image


def width_px(svg: Any) -> float:
    """Return how wide a picture is by itself, at 96 pixels and 72 points to the inch; 0 where it does not say.

    >>> width_px(b'<svg width="72pt" height="36pt">')
    96.0
    """
    found = _WIDTH.search(svg[:2000])
    return float(found[1]) * 96 / 72 if found else 0.0
