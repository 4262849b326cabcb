"""Who asks: by a token, by a certificate, or by being on this machine.

A board knows accounts instead: it gives the service a `Who` of its own, and a `Record`.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any, Protocol

from jackfield.endpoints import Transport
from jackfield.errors import ConfigurationError
from jackfield.events import Event
from jackfield.net import files
from jackfield.net.connection import Connection
from jackfield.net.holders import is_loopback_address, is_users_own
from jackfield.net.ioloop import current
from jackfield.services.commands.policy import ANYONE, ME

MOST_BYTES = 1024 * 1024
_LINE = re.compile(r"([^:\s\x00-\x1f]{1,64}):sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Proof:
    """What a client has shown. Kept, so that it can be looked at again: who has it may change.

    digest: SHA-256 of its token; b"" without one. certificate: the name in the certificate that it
    has shown, "" without one. is_here: whether it is on this machine; is_own: as our own user.
    """

    digest: bytes = b""
    certificate: str = ""
    is_here: bool = False
    is_own: bool = False


class Who(Protocol):
    """Tells who somebody is."""

    async def names(self, proof: Proof, /) -> tuple[str, ...]:
        """Give the names that lines of a policy may call them by, the one to record first.

        Empty when it is nobody who is known.
        """


class Record(Protocol):
    """Where it is kept what was run, refused and ended."""

    def note(self, event: Event, /) -> None:
        """Keep it."""


class Tokens:
    """The people of a server that runs alone: those of a token file, of certificates, and here.

    digests: for each name SHA-256 of the token.
    """

    def __init__(self, digests: dict[str, bytes] | None = None) -> None:
        self.digests = digests or {}

    async def names(self, proof: Proof, /) -> tuple[str, ...]:
        """Give the names of who has shown this. A token that is not known is nobody's."""
        found = []
        if proof.digest:
            # tokens are long and made by chance, and what is compared is a digest: how long it
            # takes tells nothing
            found = [name for name, one in self.digests.items() if one == proof.digest]
            if not found:
                return ()
        if proof.certificate:
            found.append(f"certificate:{proof.certificate}")
        if proof.is_own:
            found.append(ME)
        if proof.is_here:
            found.append(ANYONE)
        return tuple(found)


def load(path: str) -> Tokens:
    """Read a token file: in each line NAME:sha256:HEX, where HEX is the digest of a token.

    Empty lines, and those that begin with #, are left out. Raises ConfigurationError.
    """
    digests: dict[str, bytes] = {}
    text = files.read(path, MOST_BYTES, trusted=True).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            # the line may have a token in it by mistake, so it is not repeated
            raise ConfigurationError(
                f"{path}, line {number}: write NAME:sha256:HEX, where HEX is what "
                "`printf %s TOKEN | sha256sum` prints"
            )
        name, digest = found.groups()
        if name in digests or name in {ANYONE, ME}:
            raise ConfigurationError(f"{path}, line {number}: {name} cannot be a name here")
        digests[name] = bytes.fromhex(digest)
    return Tokens(digests)


async def proof_of(conn: Connection[Any], token: str) -> Proof:
    """See what a client shows, with this token or "" for none."""
    core = conn.core
    layer = core.tls_layer
    chain = [] if layer is None else layer.chain()
    is_here = is_own = False
    if core.transport is Transport.MEMORY:
        is_here = is_own = True
    elif core.transport.uses_tcp:
        is_here = core.local.is_loopback and is_loopback_address(core.peer.host)
        if is_here:
            peer, own = core.peer, core.local
            is_own = await current().in_thread(lambda: is_users_own(peer, own))
    else:
        credentials = core.credentials
        is_here = credentials is not None
        is_own = credentials is not None and credentials.uid == os.getuid()
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest() if token else b""
    return Proof(digest, chain[0].subject if chain else "", is_here, is_own)
