"""A page to try requests. It is one document that loads nothing, and sends only what the user sends with it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from graphkit.server.http.wire import Answer


def page() -> Answer:
    """Return the page; its policy lets a browser run its own script alone, and talk to this server alone.

    >>> page().content_type
    b'text/html; charset=utf-8'
    """
    text = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        f"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = [(b"content-security-policy", policy.encode()), (b"x-content-type-options", b"nosniff")]
    return Answer(200, text.encode(), b"text/html; charset=utf-8", headers)
