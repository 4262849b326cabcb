"""Which hosts a request may be for, as Host or the target names them.

On loopback a server answers to no name but localhost and addresses: otherwise a page elsewhere,
whose name server says that it is here, could read what is for this machine alone (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from jackfield.framing.http import HTTPError, Request
from jackfield.net.details import is_address

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]{0,253})(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)

MOST_KNOWN = 256
"""Hosts whose judgement is remembered."""


class Hosts:
    """The hosts that one server answers to.

    names: in place of any name; on loopback beside localhost. Addresses are always taken.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._known: dict[tuple[str, bool], bool] = {}

    def answer_to(self, request: Request, *, is_local: bool) -> bool:
        """Whether a request is meant for this server; a target in absolute form is made plain.

        is_local: whether it came over loopback. Raises HTTPError 400 for what names no host.
        """
        host = request.fields.get("host", "")
        if not request.target.startswith("/"):
            host = _take_authority(request, host)
        found = self._known.get((host, is_local))
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[host, is_local] = self._judge(host, is_local=is_local)
        return found

    def _judge(self, host: str, *, is_local: bool) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            raise HTTPError(400, "the Host field holds no host")
        name = found[1].strip("[]").rstrip(".").lower()
        if name in self._names:
            return True
        own = name in {"", "localhost"} or name.endswith(".localhost") or is_address(name)
        return own if is_local or self._names else True


def _take_authority(request: Request, host: str) -> str:
    """Take scheme and host off a target in absolute form; they take the place of Host.

    RFC 9112, section 3.2.2.
    """
    found = _ABSOLUTE.match(request.target)
    if found is not None and _HOST.fullmatch(host):
        path = request.target[found.end() :]
        request.target = path if path.startswith("/") else f"/{path}"
        return found[1]
    if request.target != "*" or request.method != "OPTIONS":
        raise HTTPError(400, "the target names no path of a host")
    return host
