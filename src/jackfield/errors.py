"""Every error Jackfield raises on purpose, as one tree.

Each class derives from `JackfieldError` and from the builtin a Python programmer
would catch. The second level tells who is to blame::

    JackfieldError
    ├── LocalError                        you did this
    │   ├── EndpointError                 ValueError: a URL that cannot be an endpoint
    │   ├── NotationError                 ValueError: an address or a port written wrongly
    │   ├── ConfigurationError            ValueError: options that do not fit together
    │   ├── LocalProtocolError            ValueError: a message that cannot be sent as it is
    │   ├── ConcurrencyError              RuntimeError: two receive() at once, and the like
    │   └── BindError                     OSError: an endpoint that cannot be listened on
    │       ├── AddressInUse
    │       ├── BindNotPermitted          PermissionError
    │       └── AddressNotAvailable
    ├── ConnectError                      ConnectionError: connect() did not succeed
    │   ├── ConnectRefused                ConnectionRefusedError
    │   ├── ConnectTimeout                TimeoutError
    │   ├── Unreachable
    │   ├── NameNotFound
    │   ├── TLSError                      the handshake failed
    │   └── UpgradeError                  the server does not begin a WebSocket
    ├── ReceiveTimeout                    TimeoutError: no message came in time; none was lost
    ├── ConnectionEnded                   ConnectionError: the connection is over
    │   ├── EndOfStream                   EOFError: the peer has said all it had to say
    │   ├── ConnectionClosed              we closed it
    │   └── PeerLost                      the peer is gone: reset, vanished or timed out
    ├── RemoteProtocolError               ConnectionError: the peer broke the protocol
    │   ├── BadMessage                    bytes that are not a message of this framing
    │   ├── MessageTooLong                a message past the framing's bound
    │   └── IncompleteMessage             the stream ended inside a message
    ├── FetchError                        fetch() has reached a server, and got no good answer
    │   ├── HTTPStatusError               the server says so itself: a status of 400 or above
    │   ├── RedirectRefused               one redirect too many, or one to what is not followed
    │   ├── ResponseCut                   ConnectionError: the response ended before its end
    │   ├── ServerSilent                  TimeoutError: the server says nothing more
    │   ├── DecodingError                 ValueError: a body that its coding cannot decode
    │   └── ChecksumMismatch              ValueError: the body is not the one that was expected
    └── KeepingFailed                     RuntimeError: a board's store did not keep it, or find it

Only `net/` and `tools/` catch `OSError`; what leaves them is one of these, with the
operating system's error as its `__cause__` and its name (``ECONNREFUSED``) in the text.
"""

from __future__ import annotations


class JackfieldError(Exception):
    """The root. `str(error)` is one line that says what happened and what to do."""


class LocalError(JackfieldError):
    """Something this side asked for cannot be done."""


class EndpointError(LocalError, ValueError):
    """A URL that cannot be an endpoint. The text names the part and shows a right one."""


class NotationError(LocalError, ValueError):
    """An address, a network, a port or the like that is written wrongly. The text names the part.

    value: all of it, as it was given.
    start, end: where in it the part that is wrong begins and ends, in characters.
    """

    def __init__(self, text: str, value: str = "", start: int = 0, end: int = 0) -> None:
        super().__init__(text)
        self.value = value
        self.start = start
        self.end = end

    def __reduce__(self) -> tuple[type[NotationError], tuple[str, str, int, int]]:
        return type(self), (str(self), self.value, self.start, self.end)


class ConfigurationError(LocalError, ValueError):
    """Options that do not fit together, or that this platform lacks."""


class LocalProtocolError(LocalError, ValueError):
    """A message the framing or the transport cannot carry. Nothing of it was sent."""


class ConcurrencyError(LocalError, RuntimeError):
    """Two calls at once where one at a time is allowed. The first one goes on."""


class BindError(LocalError, OSError):
    """An endpoint that cannot be listened on."""


class AddressInUse(BindError):
    """Somebody listens there already; the text says who, where the system tells."""


class BindNotPermitted(BindError, PermissionError):
    """The system does not let this user bind there."""


class AddressNotAvailable(BindError):
    """This machine does not have that address; the text lists those it has."""


class ConnectError(JackfieldError, ConnectionError):
    """connect() did not succeed; the text says what was tried, address by address."""


class ConnectRefused(ConnectError, ConnectionRefusedError):
    """Every address answered, and nobody listens there."""


class ConnectTimeout(ConnectError, TimeoutError):
    """No address answered in time."""


class Unreachable(ConnectError):
    """There is no way to that address from here."""


class NameNotFound(ConnectError):
    """The name has no address."""


class TLSError(ConnectError):
    """The TLS handshake failed; the text says why."""


class UpgradeError(ConnectError):
    """No WebSocket has begun: the text says what was answered, or why a server did not agree."""


class ReceiveTimeout(JackfieldError, TimeoutError):
    """No message came in time. None was lost: the next receive() gets it."""


class ConnectionEnded(JackfieldError, ConnectionError):
    """The connection is over; nothing more can be sent on it."""


class EndOfStream(ConnectionEnded, EOFError):
    """The peer has ended its side. Sending still works until the connection is closed.

    said: why, in the peer's words, where the framing carries them.
    """

    said = ""


class ConnectionClosed(ConnectionEnded):
    """This side closed the connection."""


class PeerLost(ConnectionEnded):
    """The peer is gone: it reset the connection, vanished, or stopped reading."""


class RemoteProtocolError(JackfieldError, ConnectionError):
    """The peer broke the protocol. The connection cannot be used further."""


class BadMessage(RemoteProtocolError):
    """The peer sent bytes that are not a message of this framing."""


class MessageTooLong(RemoteProtocolError):
    """The peer sent, or announced, a message past the framing's bound."""


class IncompleteMessage(RemoteProtocolError):
    """The stream ended inside a message."""


class FetchError(JackfieldError):
    """fetch() has reached a server, and got no good answer; the text begins with the URL."""


class HTTPStatusError(FetchError):
    """The server answers with a status of 400 or above (RFC 9110, sections 15.5 and 15.6).

    So does a download with one of 300 or above: there is nothing to save then.

    status: that number.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status

    def __reduce__(self) -> tuple[type[HTTPStatusError], tuple[str, int]]:
        return type(self), (str(self), self.status)


class RedirectRefused(FetchError):
    """One redirect too many, from https to http, or to what is no URL of either."""


class ResponseCut(FetchError, ConnectionError):
    """The connection ended before the response did."""


class ServerSilent(FetchError, TimeoutError):
    """The server has said nothing for too long, or took too long in all."""


class DecodingError(FetchError, ValueError):
    """A body that its content coding cannot decode, or not within the bounds."""


class ChecksumMismatch(FetchError, ValueError):
    """The body is whole, and is not the one that was expected."""


class KeepingFailed(JackfieldError, RuntimeError):
    """A board's store did not keep this, or cannot look it up. Nothing was acknowledged.

    The text says what is the matter with the store. The same may be tried again later.
    """
