"""Who may ask: API keys and bearer tokens, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


class Keys:
    """The keys that are accepted.

    Parameters
    ----------
    keys
        The keys as they are sent.

    Examples
    --------
    >>> keys = Keys(["s3cret"])
    >>> keys.accept("Bearer s3cret", None), keys.accept(None, "s3cret"), keys.accept("Bearer x", None)
    (True, True, False)
    """

    def __init__(self, keys: Iterable[str]) -> None:
        # of one length, whatever the keys' are: how long a comparison takes tells nothing
        self._digests = tuple(_digest(key) for key in keys)

    def accept(self, authorization: str | None, api_key: str | None) -> bool:
        """Return whether one of two headers, ``Authorization`` and ``X-API-Key``, brings a key."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else (api_key or "")
        digest = _digest(given)
        found = False
        for known in self._digests:  # all of them, so that the time does not tell which one it is
            found |= hmac.compare_digest(digest, known)
        return found and given != ""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
