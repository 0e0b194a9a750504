"""What an app's graph names beside code is held against the app's settings when it is loaded."""

from __future__ import annotations

from pathlib import Path

from graphkit.core.errors import TrustError
from graphkit.core.trust import Trust
from graphkit.core.urls import file_places, file_url, host_of, scheme_of
from graphkit.export.named import Named, What
from graphkit.export.needs import data_place, possible_place
from graphkit.models.store import check_model


class Bounds:
    """Checks what a spec names, for :func:`graphkit.export.named.replaced`, and gives files of the app their places.

    Parameters
    ----------
    trust
        What the app may name.

    Attributes
    ----------
    problems
        What it names and may not.
    """

    def __init__(self, trust: Trust) -> None:
        self.problems: list[str] = []
        self._trust = trust

    def see(self, named: Named) -> str:
        """Check a text; return it with its place on this machine."""
        check = {
            What.FILE: self._file,
            What.PERHAPS: self._perhaps,
            What.SECRETS: lambda named: str(self._trust.locate(named.text)),
            What.DATA: self._data,
            What.STREAM: lambda named: self._trust.locate_stream(named.text),
            What.VARIABLE: self._variable,
            What.URL: self._url,
            What.COMPUTED: self._computed,
        }[named.what]
        try:
            return check(named)
        except TrustError as exc:
            self.problems.append(f"{named.where}: {exc.message}")
        except OSError as exc:
            self.problems.append(f"{named.where}: it is no path: {exc.strerror or exc}")
        return named.text

    def _file(self, named: Named) -> str:
        text = named.text
        is_url = scheme_of(text) == "file"
        place = self._trust.locate_url(text) if is_url else self._trust.locate(text)
        if text.startswith("~"):
            self._perhaps(named)  # it may mean a home
        if named.field == "model_path" and place.exists():
            check_model(place, self._trust)
        if Path(text).is_absolute():
            return text
        if place.exists():
            return file_url(str(place)) if is_url else str(place)
        for each in file_places(text) if is_url else [text]:
            if (Path.cwd() / each).exists():  # whoever opens it would find this one
                self._trust.locate(Path.cwd() / each)
        return text

    def _perhaps(self, named: Named) -> str:
        for base in (Path.cwd(), Path(self._trust.root)):
            place = possible_place(named, base)
            if place is not None:
                self._trust.locate(place)
        return named.text

    def _data(self, named: Named) -> str:
        scheme = scheme_of(named.text)
        if scheme not in ("", "file"):
            return self._url(named)
        if scheme and host_of(named.text) not in ("", "localhost"):
            raise TrustError(f"{named.text!r} names a file of another machine")
        place = self._trust.locate(data_place(named.text))
        settings = Path(self._trust.root) / self._trust.settings
        if settings.is_relative_to(place) or settings.resolve().is_relative_to(place.resolve()):
            raise TrustError(f"{named.text!r} would let requests read {self._trust.settings}: name a folder of its own")
        return file_url(str(place))

    def _variable(self, named: Named) -> str:
        self._trust.check_variable(named.text)
        return named.text

    def _url(self, named: Named) -> str:
        self._trust.check_url(named.text)
        return named.text

    def _computed(self, named: Named) -> str:
        if not any(scheme_of(each) in ("http", "https") for each in self._trust.allow_urls):
            raise TrustError(
                f"it computes URLs, and none may be called: to allow it, add the beginning of those, such as "
                f"'https://api.example/v1', to app.allow_urls in {self._trust.settings}"
            )
        return named.text
