"""DOT text to bytes: finds a program that draws, and runs it. Knows nothing of graphs.

Three places are searched: the setting ``GRAPHKIT_DOT``, ``dot`` on the PATH, and the program inside the
``graphviz-pure`` package, which comes with graphkit, so that pictures work with no Graphviz installed.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from graphkit.core.errors import GraphkitError, choices, nearest

SETTING = "GRAPHKIT_DOT"
_PACKAGE = "graphviz-pure"
_PROGRAMS = (_PACKAGE, f"{_PACKAGE}.exe")
#: What the embedded program writes; anything else needs a system Graphviz.
EMBEDDED_FORMATS = frozenset(
    [
        "canon",
        "dot",
        "dot_json",
        "gv",
        "jpe",
        "jpeg",
        "jpg",
        "json",
        "json0",
        "plain",
        "plain-ext",
        "png",
        "svg",
        "xdot",
    ]
)
FORMATS = EMBEDDED_FORMATS | {"bmp", "eps", "gif", "pdf", "ps", "ps2", "svgz", "tif", "tiff", "webp"}
_INSTALL = (
    "install Graphviz (apt install graphviz, brew install graphviz, conda install graphviz, "
    "winget install Graphviz.Graphviz), or name its dot program in the environment variable GRAPHKIT_DOT"
)


class Renderer(msgspec.Struct, frozen=True):
    """A program that reads DOT: its file, and whether it is the embedded one, which writes fewer formats."""

    program: str
    embedded: bool = False

    def writes(self, format: str) -> bool:
        """Return whether the program is known to write a format, or may."""
        return not self.embedded or format in EMBEDDED_FORMATS


def find_renderer(format: str = "svg") -> Renderer:
    """Return the program that draws a format.

    The environment is read now, not when graphkit is imported, so that a setting made in a notebook counts.

    Raises
    ------
    GraphkitError
        If the format is unknown, or no program that writes it is found.

    Examples
    --------
    >>> find_renderer("svg").writes("svg")
    True
    """
    return _able(format)[0]


def render(
    dot: str, format: str = "svg", *, engine: str = "dot", dpi: int | None = None, timeout_s: float | None = None
) -> bytes:
    """Return a drawing of DOT text.

    Parameters
    ----------
    dot
        The text of the graph.
    format
        ``svg``, ``png``, ``jpg``, ``json``, ...; ``pdf`` and some more need a system Graphviz.
    engine
        The layout: ``dot``, ``neato``, ...
    dpi
        Dots per inch of a bitmap.
    timeout_s
        Seconds after which the program is stopped.

    Raises
    ------
    GraphkitError
        If no program draws it, if the one that does fails, or when the time is over.

    Examples
    --------
    >>> render("digraph { a -> b }").startswith(b"<?xml")
    True
    """
    options = [f"-K{engine}", f"-T{format}", *([f"-Gdpi={dpi}"] if dpi else [])]
    failures: list[str] = []
    # A `dot` on the PATH may be broken, or another program of that name: the embedded one is then tried too.
    for renderer in _able(format):
        try:
            return _run([renderer.program, *options], dot, timeout_s)
        except _FailedError as exc:
            said, unknown, _ = str(exc).partition(" not recognized. Use one of:")
            if unknown:  # what follows are this build's own formats, most of which graphkit does not know
                said += (
                    f" is not among the formats it was built with; others are {choices(FORMATS - {format}, most=30)}"
                )
            failures.append(f"{renderer.program}: {said}")
    raise GraphkitError(f"the picture could not be drawn as {format}: " + "; ".join(failures))


class _FailedError(Exception):
    pass


def _run(command: Sequence[str], dot: str, timeout_s: float | None) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  # the program was found in one of three places; the text is its input
            command,
            input=dot.encode("utf-8", "replace"),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as exc:
        raise GraphkitError(f"drawing took longer than {timeout_s:g} s and was stopped") from exc
    except OSError as exc:
        raise _FailedError(exc.strerror or str(exc)) from exc
    # What it says on success (missing fonts, unknown shapes) is dropped: it would land in notebook cells.
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _FailedError(said[0] if said else f"it ended with code {done.returncode} and wrote nothing")
    return done.stdout


def _able(format: str) -> list[Renderer]:
    if format not in FORMATS:
        raise GraphkitError(
            f"the format {format!r} is not known{nearest(format, FORMATS)}; there is "
            f"{choices(FORMATS, most=len(FORMATS))}"
        )
    found = list(_candidates())
    if not found:
        raise GraphkitError(f"no program that draws graphs was found: pip install {_PACKAGE}, or {_INSTALL}")
    able = [renderer for renderer in found if renderer.writes(format)]
    if not able:
        raise GraphkitError(
            f"the embedded renderer does not write {format}, only svg, png, jpg and text forms. Save "
            f"the picture as svg or png, or {_INSTALL}"
        )
    return able


def _candidates() -> Iterator[Renderer]:
    setting = os.environ.get(SETTING)
    if setting:
        yield _set_by_user(setting)
        return
    on_path = shutil.which("dot")
    if on_path:
        yield Renderer(on_path)
    embedded = _embedded()
    if embedded:
        yield Renderer(embedded, embedded=True)


def _set_by_user(setting: str) -> Renderer:
    # a bare name is looked up on the PATH, like a shell does
    program = shutil.which(str(Path(setting).expanduser()))
    if program is None:
        raise GraphkitError(f"{SETTING} is set to {setting!r}, which is no program that can be run")
    return Renderer(program, embedded=Path(program).name.lower() in _PROGRAMS)


def _embedded() -> str | None:
    """Return the program of the graphviz-pure package.

    It is found through the package's list of files and not through the PATH: a kernel's PATH often lacks the folder
    of its own environment.
    """
    try:
        files = importlib.metadata.files(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    places = [Path(str(file.locate())) for file in files or () if file.name.lower() in _PROGRAMS]
    # some installers keep no list of files
    places += [Path(sysconfig.get_path("scripts"), name) for name in _PROGRAMS]
    return next((str(place.resolve()) for place in places if place.is_file() and os.access(place, os.X_OK)), None)
