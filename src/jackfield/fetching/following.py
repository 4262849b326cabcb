"""Redirects: which are followed, and what of a request goes with them. RFC 9110, section 15.4.

The rules this file owns:

1. 301, 302 and 303 are followed by GET, unless a HEAD was asked; 307 and 308 by the same again.
2. Never from https to http: what was meant to be kept secret would go in the clear.
3. To another origin no credentials go, nor a Host or cookies that were set by hand.
"""

from __future__ import annotations

from dataclasses import replace

from jackfield.errors import EndpointError, RedirectRefused
from jackfield.fetching.asking import Ask

FOLLOWED = frozenset({301, 302, 303, 307, 308})

_SECRET = frozenset({"authorization", "cookie", "host", "proxy-authorization"})
_OF_BODY = "content-"


def redirected(ask: Ask, status: int, location: str) -> Ask:
    """Give what to ask next. Raises RedirectRefused."""
    try:
        url = ask.url.join(location)
    except EndpointError as error:
        raise RedirectRefused(f"{ask.url}: redirects to what cannot be fetched, {error}") from None
    if ask.url.is_secure and not url.is_secure:
        raise RedirectRefused(
            f"{ask.url}: redirects from https to http, where anyone on the way can read and "
            f"change it; if you accept that, fetch {url} itself"
        )
    fields = ask.fields
    if url.origin != ask.url.origin:
        fields = tuple(pair for pair in fields if pair[0].lower() not in _SECRET)
    if status in {307, 308} or (status in {301, 302} and ask.method != "POST"):
        return replace(ask, url=url, fields=fields)
    kept = tuple(pair for pair in fields if not pair[0].lower().startswith(_OF_BODY))
    method = "HEAD" if ask.method == "HEAD" else "GET"
    return Ask(url, method, kept)
