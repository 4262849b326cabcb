"""What a fetch did, in words: the lines of `jackfield fetch -v`, and the head of a response."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jackfield.cli.progress import size as sized
from jackfield.fetching.steps import (
    Answered,
    Asked,
    Connected,
    Ended,
    LookedUp,
    Pausing,
    Redirected,
    Reused,
    Step,
    Tried,
)
from jackfield.framing.http import Response
from jackfield.net.details import ChainLink, is_address

_DAY = 86400.0

_MUCH = 64 * 1024
"""Bytes from which on a rate tells of the network, and not of the way to the first byte."""

_SECRETS = frozenset({"authorization", "proxy-authorization", "cookie"})


def told(step: Step) -> list[str]:
    """Give the lines that tell of a step, as it happened."""
    lines: list[str] = _TELLERS[type(step)](step)
    return lines


def _looked_up(step: LookedUp) -> list[str]:
    if is_address(step.host):
        return []
    found = ", ".join(at.host for at in step.addresses)
    return [f"* {step.host} is {found}, looked up in {_ms(step.seconds)}"]


def _tried(step: Tried) -> list[str]:
    attempt = step.attempt
    return [f"* tried {attempt.endpoint.address}: {attempt.outcome}, {_ms(attempt.seconds)}"]


def _reused(step: Reused) -> list[str]:
    return [f"* the connection to {step.peer.address} is used again"]


def _asked(step: Asked) -> list[str]:
    lines = [f"> {step.request.method} {step.request.target} HTTP/1.1"]
    pairs: list[tuple[str, str]] = list(step.request.fields)  # type: ignore[arg-type]  # pairs
    lines += [f"> {name}: {_shown(name, value)}" for name, value in pairs]
    return [*lines, ">", *([f"* with a body of {step.body} bytes"] if step.body else [])]


def _answered(step: Answered) -> list[str]:
    lines = [f"< {text}" for text in head_of(step.response)]
    return [f"* first byte after {_ms(step.seconds)}", *lines, "<"]


def _redirected(step: Redirected) -> list[str]:
    return [f"* {step.status} leads to {step.url}"]


def _pausing(step: Pausing) -> list[str]:
    where = f", from byte {step.offset} on," if step.offset else ""
    return [f"* {step.why}", f"* trying again{where} in {step.seconds:.1f} s"]


def _ended(step: Ended) -> list[str]:
    is_telling = step.size >= _MUCH and step.seconds > 0
    rate = f", {sized(step.size / step.seconds)}/s" if is_telling else ""
    return [f"* {step.size} bytes of body, {_ms(step.seconds)} in all{rate}"]


def head_of(response: Response) -> list[str]:
    """Give the lines of a response's head, as they came."""
    first = f"HTTP/{response.version} {response.status} {response.reason}".rstrip()
    return [first, *(f"{name}: {value}" for name, value in response.raw)]


def expiry(link: ChainLink, now: float | None = None) -> str:
    """Say when a certificate ends: the day, and how far that is."""
    day = time.strftime("%Y-%m-%d", time.gmtime(link.expires))
    days = int((link.expires - (time.time() if now is None else now)) / _DAY)
    return f"until {day}, in {days} day{'' if days == 1 else 's'}"


def _connected(step: Connected) -> list[str]:
    lines = [f"* connected to {step.peer.address} from {step.local.address}, {_ms(step.seconds)}"]
    tls = step.tls
    if tls is not None:
        alpn = f", ALPN {tls.alpn}" if tls.alpn else ""
        lines.append(f"* {tls.version}, {tls.cipher}{alpn}")
    for number, link in enumerate(step.chain):
        names = f" for {', '.join(link.names[:8])}" if link.names else ""
        more = f" and {len(link.names) - 8} more" if len(link.names) > 8 else ""
        itself = link.subject == link.issuer
        by = "an authority that is trusted" if itself else f"certified by {link.issuer}"
        indent = "  " * number
        lines.append(f"*   {indent}{link.subject}{names}{more}: {by}, {expiry(link)}")
    return lines


def _shown(name: str, value: str) -> str:
    """Keep secrets off the screen, which may be shown to others."""
    if name.lower() not in _SECRETS:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} (not shown)" if space and name.lower() != "cookie" else "(not shown)"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.1f} s"


_TELLERS: dict[type[Any], Callable[[Any], list[str]]] = {
    LookedUp: _looked_up,
    Tried: _tried,
    Connected: _connected,
    Reused: _reused,
    Asked: _asked,
    Answered: _answered,
    Redirected: _redirected,
    Pausing: _pausing,
    Ended: _ended,
}
