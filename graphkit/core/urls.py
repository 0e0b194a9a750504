"""URLs in messages: what may be shown of them."""

from __future__ import annotations


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
