"""Cross-origin requests from browsers, as far as allowed. Source: the Fetch Living Standard, "CORS protocol"."""

from __future__ import annotations

from collections.abc import Iterable

from graphkit.server.http.wire import REQUEST_ID, Answer, Headers

# Of the headers of an answer, pages may read only the simplest; this one is for their users' complaints.
_EXPOSED = (b"access-control-expose-headers", REQUEST_ID.encode())


class Cors:
    """Tells browsers which origins' pages may send requests.

    Parameters
    ----------
    origins
        The origins; ``"*"`` stands for all.

    Examples
    --------
    >>> Cors(["https://a.example"]).headers("https://a.example")[0]
    (b'access-control-allow-origin', b'https://a.example')
    >>> Cors(["https://a.example"]).headers("https://b.example")
    [(b'vary', b'origin')]
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> Headers:
        """Return what an answer to a page of an origin says."""
        if "*" in self._origins:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED]
        if origin in self._origins and origin is not None:
            return [(b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSED, (b"vary", b"origin")]
        return [(b"vary", b"origin")]

    def preflight(self, headers: dict[str, str]) -> Answer | None:
        """Return the answer to a browser's question whether it may send a request, ``None`` if it asks none."""
        origin, wanted = headers.get("origin"), headers.get("access-control-request-method")
        if origin is None or wanted is None:
            return None
        allowed = "*" in self._origins or origin in self._origins
        answer = Answer(204 if allowed else 403, b"")
        if allowed:
            asked = headers.get("access-control-request-headers", "content-type")
            answer.headers = [
                (b"access-control-allow-methods", b"DELETE, GET, HEAD, PATCH, POST, PUT"),
                (b"access-control-allow-headers", asked.encode("latin-1")),
                (b"access-control-max-age", b"600"),
            ]
        return answer
