"""What an app's settings must list, so that its graph may go on naming what it names in the notebook."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from graphkit.core.urls import file_places, file_url, scheme_of, stream_place, without_user
from graphkit.export.artifacts import is_file_key, is_path_key
from graphkit.export.named import Named, What, written_beginning

_WHOLE_HOST = re.compile(r"https?://[^/?#]+/")
_ANY_HOST = ("http://", "https://")


class Needs:
    """Collects what a spec names, for :func:`graphkit.export.named.replaced`.

    Relative paths count from the working directory here, and from the app there: where that makes a difference, the
    spec gets the absolute path.

    Parameters
    ----------
    copies
        Places of files that go along.

    Attributes
    ----------
    outside, streams, variables, urls
        What the settings must list.
    notes
        What to tell the user.
    """

    def __init__(self, copies: Collection[str] = ()) -> None:
        self.outside: list[str] = []
        self.streams: list[str] = []
        self.variables: list[str] = []
        self.urls: list[str] = []
        self.notes: list[str] = []
        self._copies = copies

    def see(self, named: Named) -> str:
        """Note what a text names; return what the app's spec says."""
        note = {
            What.FILE: self._file,
            What.PERHAPS: self._perhaps,
            What.SECRETS: self._secrets,
            What.DATA: self._data,
            What.STREAM: self._stream,
            What.VARIABLE: self._variable,
            What.URL: self._url,
            What.COMPUTED: self._computed,
        }[named.what]
        return note(named)

    def _file(self, named: Named) -> str:
        text = named.text
        if text in self._copies:
            return text
        is_url = scheme_of(text) == "file"
        path = Path(file_places(text)[0] if is_url else text)
        if not path.is_absolute() and not _exists(path):
            return text  # a name that means something to the step alone
        _note(self.outside, str(path.absolute()))
        if path.is_absolute():
            return text
        return file_url(str(path.absolute())) if is_url else str(path.absolute())

    def _perhaps(self, named: Named) -> str:
        place = possible_place(named)
        if place is not None:
            _note(self.outside, str(place.resolve()))
        return named.text

    def _secrets(self, named: Named) -> str:
        path = str(Path(named.text).absolute())  # they never go along
        _note(self.outside, path)
        return path

    def _data(self, named: Named) -> str:
        if scheme_of(named.text) not in ("", "file"):
            return self._url(named)
        path = data_place(named.text).absolute()
        _note(self.outside, str(path))
        return file_url(str(path))

    def _stream(self, named: Named) -> str:
        url, scheme = named.text, scheme_of(named.text)
        if scheme == "memory" or "://" not in url:
            return url
        if scheme != "file":
            _note(self.streams, without_user(url))
            return url
        place, query = stream_place(url)
        if not Path(place).is_absolute() and Path(os.path.normpath(place)).parts[:1] != (os.pardir,):
            return url  # a file of the app's own
        absolute = file_url(os.path.normpath(Path(place).absolute()))
        _note(self.streams, absolute)
        return url if Path(place).is_absolute() else absolute + query

    def _variable(self, named: Named) -> str:
        _note(self.variables, named.text)
        return named.text

    def _url(self, named: Named) -> str:
        _note(self.urls, without_user(named.text.strip()))
        return named.text

    def _computed(self, named: Named) -> str:
        beginning = written_beginning(named.text)
        if _WHOLE_HOST.match(beginning):
            _note(self.urls, without_user(beginning.rpartition("/")[0] + "/"))
            return named.text
        for each in _ANY_HOST:
            _note(self.urls, each)
        self.notes.append(
            f"{named.where}: it computes whole URLs, so that app.allow_urls in settings.yaml lists every host; better "
            f"list those that it calls"
        )
        return named.text


def possible_place(named: Named, base: Path | None = None) -> Path | None:
    """Return the file that a text would lead to, if there is one; of an argument called a path, also the folder.

    Parameters
    ----------
    named
        The text.
    base
        What a relative path counts from; left out, the working directory.
    """
    try:
        place = (base or Path.cwd()) / Path(named.text).expanduser()
        may_be_folder = is_file_key(named.field) or (is_path_key(named.field) and "url" not in named.field.lower())
        if place.is_file() or (may_be_folder and place.is_dir() and place.parent != place):
            return place
    except (OSError, ValueError, RuntimeError):
        pass  # no path that can be
    return None


def data_place(prefix: str) -> Path:
    """Return the place that a prefix of ``data_url`` names, read as requests' are."""
    parts = urlsplit(prefix)
    return Path(unquote(parts.path) if parts.scheme else parts.path)


def _note(found: list[str], text: str) -> None:
    if text not in found:
        found.append(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
