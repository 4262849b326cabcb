"""Who may see a site: names and hashes of passwords, by Basic authentication (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

from jackfield.errors import ConfigurationError

_FORM = re.compile(r"([^:\x00-\x1f]{1,64}):(sha256|sha512):([0-9a-fA-F]+)")
_DIGITS = {"sha256": 64, "sha512": 128}

ASK = {"WWW-Authenticate": 'Basic realm="jackfield", charset="UTF-8"'}
"""What a browser is told so that it asks its user."""

_MOST = 2000
"""Characters of what a peer says that are looked at."""

_NOBODY = ("sha256", hashlib.sha256(b"nobody").digest())


class Users:
    """The users of one site.

    given: each as NAME:sha256:HEX or NAME:sha512:HEX, the digest of the password in UTF-8.
    Raises ConfigurationError for another form.
    """

    def __init__(self, given: Iterable[str]) -> None:
        self._users: dict[str, tuple[str, bytes]] = {}
        for one in given:
            found = _FORM.fullmatch(one)
            if found is None or len(found[3]) != _DIGITS[found[2]]:
                # the value may be a password given by mistake, so it is not repeated
                raise ConfigurationError(
                    "--auth takes NAME:sha256:HEX, where HEX is what "
                    "`printf %s 'the password' | sha256sum` prints, or the same with sha512"
                )
            self._users[found[1]] = found[2], bytes.fromhex(found[3])

    def __bool__(self) -> bool:
        return bool(self._users)

    def find(self, authorization: str) -> str | None:
        """Give the name of who says this in Authorization, and proves it; else None."""
        scheme, _, credentials = authorization[:_MOST].partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = (
                base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
            )
        except (binascii.Error, ValueError):
            return None
        # for a name that there is not it takes as long
        method, digest = self._users.get(name, _NOBODY)
        same = hmac.compare_digest(hashlib.new(method, password.encode()).digest(), digest)
        return name if same and colon and name in self._users else None
