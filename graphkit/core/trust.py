"""What an app may name and read: its own modules and files, what its settings list, and models that cannot run code.

A spec is data that names code, files, streams, secrets and services. Whoever may write ``graph.yaml`` should not
thereby choose what runs, what is read or written outside of the app, or where data goes, so an app that is loaded from
a folder resolves all of these through :class:`Trust`. A graph in a notebook or a program has no such bounds: who wrote
the graph wrote the code beside it. The code of the app's own modules is trusted, whatever it does.
"""

from __future__ import annotations

import hashlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import msgspec

from graphkit.core.errors import TrustError, choices
from graphkit.core.urls import (
    file_places,
    file_url,
    host_of,
    is_below,
    scheme_of,
    shown_url,
    stream_place,
    without_user,
)

#: Forms of files that hold data and nothing that runs.
SAFE_SUFFIXES = frozenset(
    ".cbm .csv .gguf .json .jsonl .md .npy .npz .onnx .parquet .pmml .png .jpg .safetensors .skops .tflite .tsv "  # noqa: SIM905
    ".txt .ubj .vocab .xml .yaml .yml".split()
)
_MAGIC = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one app.

    Parameters
    ----------
    root
        The app's folder.
    modules
        Names of the app's own modules.
    imported
        For each of them, what its imports bring: ``{"steps": {"path": "os.path"}}``.
    allow
        Dotted names that the graph may use beside them, each with all that is below it.
    allow_pickle
        The SHA-256 of model files that may be unpickled, by their paths in the app.
    outside
        Files and folders outside of the app that it may read; relative ones count from the app.
    allow_streams
        Streams outside of the app: ``file://`` URLs of files or folders, and URLs of other systems.
    allow_env
        Variables of the environment that it may read as secrets.
    allow_urls
        Addresses of services that it may call, each with all that is below it; ``https://`` is all of them.
    settings
        What to call the file that says so, in messages.

    Examples
    --------
    >>> trust = Trust(root="app", modules=("steps",), imported={"steps": {"os": "os"}}, allow=("math",))
    >>> trust.reason("steps.clean"), trust.reason("math.sqrt")
    (None, None)
    >>> trust.reason("steps.os.system")
    "it is 'os.system', which is neither of the app's own modules ('steps') nor a step of graphkit"
    """

    root: str
    modules: tuple[str, ...] = ()
    imported: dict[str, dict[str, str]] = {}
    allow: tuple[str, ...] = ()
    allow_pickle: dict[str, str] = {}
    outside: tuple[str, ...] = ()
    allow_streams: tuple[str, ...] = ()
    allow_env: tuple[str, ...] = ()
    allow_urls: tuple[str, ...] = ()
    settings: str = "settings.yaml"

    # ---- names ----------------------------------------------------------------------------------------------

    def reason(self, path: str) -> str | None:
        """Return why a dotted path from a module on may not be named; ``None`` if it may."""
        if self.is_private(path):
            return f"{path!r} is private"
        path = self.followed(path)
        if self.is_own(path) or self.allows(path):
            return None
        own = choices(self.modules)
        return f"it is {path!r}, which is neither of the app's own modules ({own}) nor a step of graphkit"

    def is_private(self, path: str) -> bool:
        """Return whether a dotted path goes through what begins with an underscore, below a module."""
        first, *rest = path.split(".")
        own = [part for part in rest if part.startswith("_")]
        if first in self.modules and rest and not rest[0].startswith("__"):
            own = [part for part in rest[1:] if part.startswith("_")]  # the app's own names may
        return bool(own) or first.startswith("__")

    def followed(self, path: str) -> str:
        """Return a dotted path with the imports of the app's modules followed: ``steps.os.system`` is ``os.system``."""
        seen: set[str] = set()
        while path not in seen:
            seen.add(path)
            path = self._led_to(path)
        return path

    def reason_of_value(self, value: Any) -> str | None:
        """Return why what an allowed package led to may not be used: it may have come from another one."""
        # "os.path" is called "posixpath" by itself
        called = {getattr(sys.modules.get(entry), "__name__", entry) for entry in self.allow} | {*self.allow}
        if isinstance(value, types.ModuleType):
            name = value.__name__
            known = self.is_own(name) or any(name == each or name.startswith(f"{each}.") for each in called)
            return None if known else f"it is the module {name!r}"
        module = getattr(value, "__module__", None)
        tops = {each.partition(".")[0] for each in called}
        if not isinstance(module, str) or self.is_own(module) or module.partition(".")[0] in tops:
            return None
        return f"it comes from {module!r}"

    def is_own(self, path: str) -> bool:
        """Return whether a dotted path is below one of the app's own modules."""
        return any(path == module or path.startswith(f"{module}.") for module in self.modules)

    def allows(self, path: str) -> bool:
        """Return whether the settings list a dotted path, or what it is below."""
        return any(path == entry or path.startswith(f"{entry}.") for entry in self.allow)

    def names_exactly(self, path: str) -> bool:
        """Return whether the settings list this very path."""
        return path in self.allow

    def advice(self, path: str) -> str:
        """Return how to allow a dotted path."""
        return f"to allow it, add {path!r} to app.allow in {self.settings}"

    def _led_to(self, path: str) -> str:
        """Return a path with its first import followed: ``steps.os.system`` is ``os.system``."""
        for module, names in self.imported.items():
            if not path.startswith(f"{module}."):
                continue
            first, _, rest = path[len(module) + 1 :].partition(".")
            if first in names:
                led = f"{names[first]}.{rest}" if rest else names[first]
                if led != path:
                    return led
        return path

    # ---- files ----------------------------------------------------------------------------------------------

    def locate(self, path: str | os.PathLike[str]) -> Path:
        """Return the place of a file that the app names; a relative path counts from the app.

        Raises
        ------
        TrustError
            If it is outside of the app, links followed, and not listed.
        """
        root = Path(self.root).absolute()
        place = Path(os.path.normpath(root / path))
        if _real(place) == _real(root / self.settings):
            raise TrustError(f"{os.fspath(path)!r} is the app's settings, which are not its graph's to read")
        # with ".." behind a link, the system goes another way than the text says
        leaves = [real for real in (_real(place), _real(root / path)) if not self._may_read(real)]
        if not leaves:
            return place
        raise TrustError(
            f"{os.fspath(path)!r} is outside of the app {str(_real(root))!r}, and of what else it may read "
            f"({choices(self.outside)}): copy it into the app, or add {str(leaves[0])!r} to app.outside in "
            f"{self.settings}"
        )

    def _may_read(self, real: Path) -> bool:
        root = Path(self.root).absolute()
        return any(real.is_relative_to(_real(known)) for known in (root, *(root / each for each in self.outside)))

    def locate_url(self, url: str) -> Path:
        """Return the place of a file that a ``file:`` URL names; however others read it, it must not lead outside.

        Raises
        ------
        TrustError
            As :meth:`locate`.
        """
        place, *others = file_places(url)
        for other in others:
            # where a host stands, as others read it, there is a file of this machine or nothing
            if host_of(url) in ("", "localhost") or _is_file(Path(other)):
                self.locate(other)
        return self.locate(place)

    # ---- streams, secrets, services ---------------------------------------------------------------------------

    def locate_stream(self, url: str) -> str:
        """Return the address of a stream that the app names; one in a relative file counts from the app.

        Raises
        ------
        TrustError
            If it is neither in memory nor in a file of the app, and not listed.
        """
        scheme = scheme_of(url)
        if scheme == "memory":
            return url
        if "://" not in url:
            raise TrustError(f"{url!r} is not a stream's URL, such as memory://name or file://events.db")
        if scheme != "file":
            self._check_listed(url, self.allow_streams, "stream", "allow_streams")
            return url
        path, query = stream_place(url)
        root = Path(self.root).absolute()
        place, listed = Path(os.path.normpath(root / path)), self._files_of_streams()
        leaves = [real for real in (_real(place), _real(root / path)) if not any(map(real.is_relative_to, listed))]
        if leaves:
            raise TrustError(
                f"the stream {shown_url(url)!r} is in a file outside of the app {str(_real(root))!r}, and of what else "
                f"it may write to ({choices(self.allow_streams)}): to allow it, add {file_url(str(leaves[0]))!r} to "
                f"app.allow_streams in {self.settings}"
            )
        return file_url(str(place), query)

    def _files_of_streams(self) -> list[Path]:
        root = Path(self.root).absolute()
        urls = [each for each in self.allow_streams if scheme_of(each) == "file"]
        return [_real(root), *(_real(root / stream_place(each)[0]) for each in urls)]

    def check_variable(self, name: str) -> None:
        """Refuse a variable of the environment that is not listed; raises TrustError."""
        if name not in self.allow_env:
            raise TrustError(
                f"the variable {name!r} of the environment may not be read, but for what is listed "
                f"({choices(self.allow_env)}): to allow it, add {name!r} to app.allow_env in {self.settings}"
            )

    def check_url(self, url: str) -> None:
        """Refuse the address of a service that is not listed; raises TrustError."""
        self._check_listed(url, self.allow_urls, "URL", "allow_urls")

    def _check_listed(self, url: str, listed: tuple[str, ...], what: str, key: str) -> None:
        if not any(is_below(url.strip(), each) for each in listed):
            raise TrustError(
                f"the {what} {shown_url(url)!r} is not below what is listed ({choices(listed)}): to allow it, add "
                f"{without_user(url.strip())!r} to app.{key} in {self.settings}"
            )

    # ---- models -----------------------------------------------------------------------------------------------

    def check_file(self, path: str | os.PathLike[str]) -> None:
        """Refuse a model file that may run code when it is loaded, unless its hash is known.

        skops, ONNX, safetensors and plain data are free; a folder is looked through.

        Raises
        ------
        TrustError
            If the file's hash is not listed, or is another one.
        """
        place = self.locate(path)
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_symlink():
                self.locate(file)
            if file.is_file() and may_run_code(file):
                self._check_hash(self.locate(file))

    def _check_hash(self, file: Path) -> None:
        key = self.key_of(file)
        found = file_hash(file)
        known = self.allow_pickle.get(key)
        if known == found:
            return
        if known is None:
            raise TrustError(
                f"the model file {key!r} may run code when it is loaded (a pickle, or of an unknown form): store it "
                f"with skops, ONNX or safetensors, or, if you trust whoever made it, add it to app.allow_pickle in "
                f"{self.settings}: {key}: {found}"
            )
        raise TrustError(
            f"the model file {key!r} is not the one that {self.settings} allows: its SHA-256 is {found}, allowed is "
            f"{known}; if you trust whoever made it, correct app.allow_pickle"
        )

    def key_of(self, file: Path) -> str:
        """Return what settings call a file: its path in the app, else its absolute path."""
        root = Path(self.root).resolve()
        real = file.resolve()
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else str(real)


def _real(path: Path) -> Path:
    """Return where a path leads, links followed; raises TrustError for what no path can be."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as exc:
        raise TrustError(f"{str(path)!r} is no path: {exc}") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, say
        return False


def may_run_code(file: Path) -> bool:
    """Return whether loading a file as a model may run code: it is a pickle, or nobody knows what it is.

    >>> may_run_code(Path("model.pkl")), may_run_code(Path("model.safetensors"))
    (True, False)
    """
    if file.suffix.lower() not in SAFE_SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(2) in _MAGIC
    except OSError:
        return False  # it cannot be loaded either


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
