"""URLs in messages and settings: what may be shown of them, what they are below, and which files they may stand for."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
# Programs disagree on where an address ends that holds one of these.
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_URL = re.compile(r"[a-z][a-z0-9+.\-]*(?=://|::.*(?:://|file:))", re.IGNORECASE)
# What others pass over before a URL begins.
_BLANK = "".join(map(chr, range(33)))


def shown_url(url: str, *, with_query: bool = False) -> str:
    """Return a URL as it may be shown: a user name and password are masked, and the query is left out.

    Parameters
    ----------
    url
        Any text; what is no URL comes back as it is.
    with_query
        Whether the query is known to hold no secret.

    Examples
    --------
    >>> shown_url("https://me:pw@host/a?token=1")
    'https://***@host/a'
    >>> shown_url("file://a.db?stream=clicks", with_query=True)
    'file://a.db?stream=clicks'
    """
    address, question, query = url.partition("?")
    scheme, mark, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    if "@" in place:
        place = f"***@{place.rpartition('@')[2]}"
    return f"{scheme}{mark}{place}{slash}{path}" + (question + query if with_query else "")


def scheme_of(text: str) -> str:
    """Return the scheme of a text that begins as a URL, in small letters; of others an empty text.

    >>> scheme_of("HTTPS://host/a"), scheme_of("file:a.txt"), scheme_of("a/b"), scheme_of("C:/models")
    ('https', 'file', '', '')
    """
    begun = text.lstrip(_BLANK)
    if begun[:5].lower() == "file:":
        return "file"
    found = _URL.match(begun)
    return found[0].lower() if found else ""


def is_below(url: str, prefix: str) -> bool:
    """Return whether a URL is what a prefix names, or below it; user names, passwords and queries do not count.

    Parameters
    ----------
    url
        The URL.
    prefix
        Scheme, host and port, and the beginning of the path; ``https://`` alone stands for every host.

    Examples
    --------
    >>> (
    ...     is_below("https://api.example/v1/ask?x=1", "https://api.example/v1"),
    ...     is_below("https://evil.example/", "https://"),
    ... )
    (True, True)
    >>> is_below("https://api.example/v1/../admin", "https://api.example/v1")
    False
    >>> is_below("https://api.example.evil.org/v1", "https://api.example")
    False
    """
    try:
        given, wanted = urlsplit(url), urlsplit(prefix)
        ports = [parts.port or _PORTS.get(parts.scheme) for parts in (given, wanted)]
    except ValueError:
        return False
    if given.scheme != wanted.scheme or given.netloc.count("@") > 1 or _ODD.search(re.split(r"[?#]", url)[0]):
        return False
    if not wanted.netloc and not wanted.path:
        return bool(given.hostname)
    if (given.hostname, ports[0]) != (wanted.hostname, ports[1]):
        return False
    base, path = unquote(wanted.path).rstrip("/"), unquote(given.path)
    if not base or given.path == wanted.path:
        return True
    return (path == base or path.startswith(f"{base}/")) and ".." not in path.split("/") and "%" not in path


def without_user(url: str) -> str:
    """Return a URL without user name, password, query and fragment, as settings list it.

    >>> without_user("https://me:pw@host:8443/v1/ask?key=1")
    'https://host:8443/v1/ask'
    """
    scheme, mark, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme.lower()}{mark}{place.rpartition('@')[2]}{slash}{path}"


def file_places(url: str) -> list[str]:
    """Return the paths that a ``file:`` URL may stand for: as graphkit reads it, then as RFC 8089 has it.

    They differ: here ``file://models/a.txt`` is relative, and elsewhere it names a host.

    >>> file_places("file://models/my%20iris.pkl"), file_places("file:///etc/passwd")
    (['models/my iris.pkl', '/my iris.pkl'], ['/etc/passwd'])
    >>> file_places("file:../a")
    ['file:../a', '../a']
    """
    text = url.strip(_BLANK)
    rest = text.partition(":")[2]
    found = [unquote(rest[2:]) if rest.startswith("//") else text]
    try:
        found.append(unquote(urlsplit(text).path))
    except ValueError:
        pass  # nobody else can read it either
    return [place for place in dict.fromkeys(found) if place]


def host_of(url: str) -> str:
    """Return the host that a URL names, in small letters; an empty text for none."""
    try:
        return (urlsplit(url.strip(_BLANK)).hostname or "").lower()
    except ValueError:
        return ""


def stream_place(url: str) -> tuple[str, str]:
    """Return the path of a ``file://`` stream, and the query behind it with its question mark.

    >>> stream_place("file://my%20events.db?stream=clicks")
    ('my events.db', '?stream=clicks')
    """
    place, mark, query = url.partition("://")[2].partition("?")
    return unquote(place), mark + query


def file_url(path: str, query: str = "") -> str:
    """Return a path as a URL.

    >>> file_url("/a b/c.db", "?stream=x")
    'file:///a%20b/c.db?stream=x'
    """
    return f"file://{quote(path)}{query}"
