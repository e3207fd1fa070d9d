"""Forged requests: whether a page of our own sent this one."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import Request

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


def same_secret(given: str, expected: str) -> bool:
    """Compare secrets in constant time. An empty ``expected`` matches nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that a page of another site sent this request."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site not in {"same-origin", "none"}
    # Over plain http browsers send no Sec-Fetch-Site, only the origin.
    origin = request.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    except ValueError:  # no browser sends what cannot be read
        return True
