"""How a file on a server is written: its endpoint, a slash, and its name.

    tcp://192.0.2.7:9000/folder/name     tls://files.example:9000/folder/name?ca=FILE
    unix:///run/files.sock:/folder/name  a colon tells where the path of the socket ends

The rules this file owns:

1. A name is written as paths of endpoints are: a sign % is %25, ? is %3F and # is %23; all else may
   stand as it is, blanks and other scripts too. A slash at its end changes nothing.
2. What follows a question mark are the endpoint's options.
3. Files go over a stream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.endpoints.text import Wrong, decoded, shown
from jackfield.errors import EndpointError
from jackfield.services.files.wire import BadName, name_of, names_of


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder on a server. names: without any, the folder that is served."""

    endpoint: Endpoint
    names: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        """Give what `place()` makes this of."""
        if not self.names:
            return str(self.endpoint)
        colon = ":" if self.endpoint.transport is Transport.UNIX else ""
        bare, mark, query = str(self.endpoint).partition("?")
        name = "".join(
            quote(char, safe="") if char in "%?#" or not char.isprintable() else char
            for char in name_of(self.names)
        )
        return f"{bare}{colon}/{name}{mark}{query}"

    def below(self, names: tuple[bytes, ...]) -> Place:
        """Give what is there under these names."""
        return replace(self, names=(*self.names, *names))


def is_place(text: str) -> bool:
    """Whether this is written as a place on a server, and not as a file here."""
    return "://" in text or text.startswith("unix:")


def place(text: str) -> Place:
    """Read a place. Raises EndpointError."""
    whole, mark, query = text.partition("?")
    scheme, _, rest = whole.partition(":")
    if scheme.lower().startswith("unix"):
        socket, _, path = rest.partition(":/")
        endpoint = f"{scheme}:{socket}"
    else:
        authority, _, path = rest.removeprefix("//").partition("/")
        slashes = "//" if rest.startswith("//") else ""
        endpoint = f"{scheme}:{slashes}{authority}" if rest else whole
    if scheme.lower() in {"ws", "wss"}:
        raise EndpointError(f"{shown(text)}: files go over a stream, tcp://, tls:// or unix:")
    found = parse(endpoint + mark + query)
    if not found.is_stream or found.transport is Transport.FD:
        raise EndpointError(f"{shown(text)}: files go over a stream, tcp://, tls:// or unix:")
    try:
        name = decoded(path).strip("/")
        return Place(found, tuple(names_of(name)))
    except UnicodeEncodeError:
        raise EndpointError(f"{shown(text)}: it is no UTF-8, so it names nothing there") from None
    except Wrong as wrong:
        raise EndpointError(f"{shown(text)}: {wrong}") from None
    except BadName as error:
        raise EndpointError(f"{shown(text)}: {shown(name)} {error}") from None
