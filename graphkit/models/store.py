"""Where models are stored: a file, a folder, or a folder with a ``model_spec.yaml``. Nothing is unpickled here.

A model folder is self-contained: what its ``model_spec.yaml`` names lies in the folder, or in a store of its own
(``s3://...``). A path that leads out of the folder, by ``..`` or as an absolute path, is refused: whoever wrote the
file need not be who runs the model. Links inside the folder are followed; they are its owner's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from graphkit.core.errors import StoreError, TrustError, choices, nearest
from graphkit.core.extras import load
from graphkit.core.trust import Trust
from graphkit.core.urls import shown_url
from graphkit.models.model_spec import SPEC_FILE, Feature, ModelSpec

__all__ = ["DataItem", "Feature", "ModelSpec", "fingerprint", "get_model", "local_path"]

#: The suffix of models in a folder, when none is asked for.
DEFAULT_SUFFIX = ".pkl"


class DataItem:
    """A file, read when it is asked for.

    Parameters
    ----------
    url
        A path or ``file://`` URL. An item of another store can be named, but not read: there is no driver for it.
    trust
        The bounds of the app that the item belongs to; one that may run code when it is loaded must be listed there.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> item = DataItem(f"{folder.name}/classes.json")
    >>> _ = Path(item.local()).write_text('[{"name": "setosa"}]')
    >>> item.get("utf-8")
    '[{"name": "setosa"}]'
    >>> item.as_df()["name"].tolist()
    ['setosa']
    >>> folder.cleanup()
    """

    def __init__(self, url: str | os.PathLike[str], trust: Trust | None = None) -> None:
        self.url = os.fspath(url)
        self._trust = trust

    def _path(self) -> Path:
        path = local_path(self.url)
        if self._trust is not None:
            self._trust.check_file(path)
        return path

    @property
    def suffix(self) -> str:
        """The file's suffix in small letters, such as ``".csv"``."""
        return Path(shown_url(self.url)).suffix.lower()

    def local(self) -> str:
        """Return the path of the file on this machine.

        Raises
        ------
        StoreError
            If the item lies in a store that has no driver.
        """
        return str(self._path())

    def get(self, encoding: str | None = None) -> Any:
        """Return the content: bytes, or a text when an encoding is given."""
        path = self._path()
        try:
            data = path.read_bytes()
            return data if encoding is None else data.decode(encoding)
        except (OSError, UnicodeDecodeError, LookupError) as exc:
            raise self._unreadable(exc) from exc

    def open(self, mode: str = "rb") -> IO[Any]:
        """Open the file for reading, as bytes (``"rb"``) or UTF-8 text (``"r"``)."""
        if mode not in ("r", "rt", "rb"):
            raise StoreError(f"{self!r} is opened for reading, with mode 'rb' or 'r', not {mode!r}")
        path = self._path()
        try:
            return path.open(mode, encoding=None if mode == "rb" else "utf-8")
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def as_df(self, **kwargs: Any) -> Any:
        """Return the content as a pandas DataFrame, read as its suffix says.

        Parameters
        ----------
        **kwargs
            Passed on to pandas' reader of ``.csv``, ``.json``, ``.jsonl`` or ``.parquet`` files.
        """
        path = self._path()
        pandas = load("pandas", "a data item as a DataFrame", "notebook")
        readers = {
            ".csv": pandas.read_csv,
            ".json": pandas.read_json,
            ".jsonl": lambda file, **options: pandas.read_json(file, **{"lines": True, **options}),
            ".parquet": pandas.read_parquet,
        }
        if self.suffix not in readers:
            raise StoreError(f"{self!r} cannot become a DataFrame: its suffix is none of {choices(readers)}")
        try:
            return readers[self.suffix](path, **kwargs)
        except ImportError as exc:
            # pandas leaves parquet to other packages, and none of graphkit's extras brings one
            raise StoreError(f"{self!r} cannot be read: pandas needs pyarrow for it: pip install pyarrow") from exc
        except (OSError, ValueError) as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> StoreError:
        return StoreError(f"{self!r} cannot be read: {exc}")

    def __repr__(self) -> str:
        return f"DataItem({shown_url(self.url)!r})"


def local_path(url: str | os.PathLike[str]) -> Path:
    """Return the path that a path or ``file://`` URL names.

    Raises
    ------
    StoreError
        If the URL is of a store that has no driver.

    Examples
    --------
    >>> str(local_path("file://models/my%20iris.pkl"))
    'models/my iris.pkl'
    """
    text = os.fspath(url)
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Path(text)
    if scheme.lower() != "file":
        raise StoreError(
            f"{shown_url(text)!r}: there is no driver for {scheme}:// stores here: give a path or a file:// URL"
        )
    return Path(unquote(rest))


def get_model(
    model_path: str | os.PathLike[str], suffix: str = "", trust: Trust | None = None
) -> tuple[str, ModelSpec | None, dict[str, DataItem]]:
    """Find a model's file and what belongs to it.

    Parameters
    ----------
    model_path
        A file; a folder; a folder with a ``model_spec.yaml``; or that file itself.
    suffix
        Which file of a folder is the model; ``".pkl"`` when left out. A ``model_spec.yaml`` says it itself.
    trust
        The bounds of an app: what lies outside of it, and a pickle that it does not list, is refused.

    Returns
    -------
    tuple
        The model's local file, the spec (``None`` without a ``model_spec.yaml``) and the data items by key: those
        that the spec lists, or the other files of a folder by name.

    Raises
    ------
    StoreError
        If nothing is there, or no file or several could be the model; the message lists what was found.
    TrustError
        If the app's bounds forbid it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name in ("iris.pkl", "classes.csv"):
    ...     _ = (Path(folder.name) / name).write_text("")
    >>> file, spec, extra = get_model(folder.name)
    >>> Path(file).name, spec, list(extra)
    ('iris.pkl', None, ['classes.csv'])
    >>> folder.cleanup()
    """
    # absolute: what is read later must not depend on the working directory of that moment
    path = local_path(model_path).absolute() if trust is None else trust.locate(local_path(model_path))
    file, spec, extra = _found(path, suffix)
    if trust is not None:
        trust.check_file(file)
        extra = {key: DataItem(item.url, trust) for key, item in extra.items()}
    return file, spec, extra


def check_model(path: Path, trust: Trust) -> None:
    """Refuse a model that an app's bounds forbid, before any of it is read.

    Raises
    ------
    TrustError
        If it lies outside of the app, a file in it may run code and is not listed, or its ``model_spec.yaml`` or a link
        leads out of its folder.
    """
    trust.check_file(path)
    file = path if path.name == SPEC_FILE else path / SPEC_FILE
    if not file.is_file():
        return
    try:
        _, _, extra = _by_spec(file)
    except _Outside as exc:
        raise TrustError(f"{exc.message}; no setting allows that: copy it into the folder") from exc
    except StoreError:
        return  # the model itself says what is wrong with it
    for item in extra.values():
        if "://" not in item.url:
            trust.locate(item.url)


class _Outside(StoreError):
    """A model's spec names what is not in the model's folder."""


def _found(path: Path, suffix: str) -> tuple[str, ModelSpec | None, dict[str, DataItem]]:
    if path.is_dir():
        if (path / SPEC_FILE).is_file():
            return _by_spec(path / SPEC_FILE)
        return _by_suffix(path, suffix or DEFAULT_SUFFIX)
    if not path.exists():
        raise StoreError(f"there is no model at {str(path)!r}{_beside(path)}")
    if path.name == SPEC_FILE:
        return _by_spec(path)
    return str(path), None, {}


def fingerprint(model_path: str | os.PathLike[str]) -> tuple[tuple[str, int, int], ...] | None:
    """Return name, time of change (in ns) and size of a model's files, which tell whether they have changed.

    Of a folder, all files below it count. ``None`` stands for what is no path on this machine.

    >>> fingerprint("s3://models/iris") is None, fingerprint("no/such/file")
    (True, ())
    """
    try:
        path = local_path(model_path)
    except (StoreError, TypeError):  # what it is must only be right for get_model()
        return None
    if path.name == SPEC_FILE:
        path = path.parent
    files = [path] if path.is_file() else [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    found = []
    for file in files:
        with suppress(OSError):  # it has just gone
            status = file.stat()
            found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))


def _by_suffix(folder: Path, suffix: str) -> tuple[str, None, dict[str, DataItem]]:
    files = {entry.name: entry for entry in sorted(folder.iterdir()) if entry.is_file() and entry.name[0] != "."}
    fitting = [name for name in files if name.endswith(suffix)]
    if len(fitting) != 1:
        found = f"several files end so: {choices(fitting)}" if fitting else f"it holds {choices(files)}"
        raise StoreError(
            f"the model folder {str(folder)!r} must hold one file that ends in {suffix!r}, or a {SPEC_FILE}; {found}"
        )
    model = files.pop(fitting[0])
    return str(model), None, {name: DataItem(entry) for name, entry in files.items()}


def _by_spec(file: Path) -> tuple[str, ModelSpec, dict[str, DataItem]]:
    spec = ModelSpec.from_dict(_yaml(file), str(file))
    folder = file.parent
    if not spec.model_file:
        raise StoreError(f"{str(file)!r} names no model_file")
    model = local_path(_inside(folder, spec.model_file, f"{str(file)!r}: model_file"))
    if not model.exists():
        raise StoreError(f"{str(file)!r}: there is no model_file {spec.model_file!r}{_beside(model)}")
    extra = {
        key: DataItem(_inside(folder, place, f"{str(file)!r}: extra_data[{key!r}]"))
        for key, place in spec.extra_data.items()
    }
    return str(model), spec, extra


def _yaml(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise StoreError(f"{str(file)!r} cannot be read: {exc}") from exc


def _inside(folder: Path, place: str, what: str) -> str:
    """Return the address of something that a spec names, and refuse what leads out of the folder."""
    if "://" in place and not place.lower().startswith("file://"):
        return place
    # Not resolve(): links inside the folder may lead where its owner wants.
    base = os.path.normpath(folder)
    path = os.path.normpath(Path(base) / local_path(place))
    if not place or path == base or not Path(path).is_relative_to(base):
        raise _Outside(f"{what} is {place!r}, which is not in the model's folder {str(folder)!r}")
    return path


def _beside(path: Path) -> str:
    """Return what stands where a missing file was looked for, for a message."""
    if not path.parent.is_dir():
        return f": there is no folder {str(path.parent)!r}"
    names = [entry.name for entry in path.parent.iterdir() if entry.name[0] != "."]
    return f": the folder holds {choices(names)}{nearest(path.name, names)}"
