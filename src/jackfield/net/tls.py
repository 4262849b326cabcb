"""TLS as a step between a socket and a framing: bytes in, bytes out, no I/O.

By `ssl.MemoryBIO`, never the event loop's TLS transport, which cannot half-close, does not
tell a truncated stream from an ended one and holds far more memory for an idle connection.
TLS 1.2 and newer (RFC 8446, RFC 9325).
"""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError, TLSError
from jackfield.net.details import ChainLink, TLSDetails

_RECORD = 16 * 1024
"""Decrypted bytes asked for at once: no record has more (RFC 8446, section 5.1)."""

_FIRST = (0x16, 0x15)
"""The first byte of a TLS stream: that of a handshake, or of an alert (RFC 8446, section 5.1)."""

_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..(\x01|$)|\x16\x03[\x00-\x04].?$", re.DOTALL)
"""A handshake record with a ClientHello, or what there is of it so far."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""What a server offers with TLS 1.2: authenticated encryption, and forward secrecy (RFC 9325,
section 4.2). Those of TLS 1.3 are all of this kind."""

_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""X509_V_ERR_… of openssl-verification-options(1): self-signed, or by nobody who is known."""

_STRANGER = (
    "; if it is a service of Jackfield on another machine, type there: "
    "jackfield cert show > there.pem, and here: jackfield cert trust there.pem; "
    "or name its authority with --ca FILE"
)

_NO_TLS = "the other side does not speak TLS; it may expect tcp:// instead"


class _Scratch(threading.local):
    """Where records are decrypted to, one after another, before they become bytes.

    As many as one read of a long chunk brings; memory that is not used is none.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(65 * _RECORD))


_scratch = _Scratch()


def is_hello(data: bytes) -> bool:
    """Whether these are the first bytes of a client that speaks TLS (RFC 8446, section 5.1)."""
    return _HELLO.match(data) is not None


class TLSLayer:
    """One connection's TLS.

    details: what was agreed on; None before the handshake is over. Any thread may look here,
    while OpenSSL's object is for the thread that does the I/O alone.
    ended: whether the peer has ended its side by a close_notify.
    error: what broke TLS, in words, once something did.
    """

    __slots__ = ("_foreign", "_in", "_object", "_out", "_target", "details", "ended", "error")

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """Begin as a client when `server_hostname` is given, else as a server."""
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.details: TLSDetails | None = None
        self.ended = False
        self.error = ""
        self._foreign: bool | None = None  # the peer's first byte is not one of TLS
        self._target = server_hostname
        self._object = context.wrap_bio(
            self._in,
            self._out,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )

    def feed(self, data: bytes) -> None:
        """Take bytes from the socket; b"" is the end of its input."""
        if not data:
            self._in.write_eof()
            return
        if self._foreign is None:
            self._foreign = data[0] not in _FIRST
        self._in.write(data)

    @property
    def is_foreign(self) -> bool:
        """Whether the peer has begun with something else than TLS."""
        return bool(self._foreign)

    def output(self) -> bytes:
        """Give bytes for the socket."""
        return self._out.read()

    def handshake(self) -> bool:
        """Go on with the handshake; whether it is done. Raises TLSError."""
        if self._foreign:  # a line of text may be too short for OpenSSL to tell
            raise TLSError(_NO_TLS)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TLSError(self._explained(error)) from None
        self.details = self._agreed()
        return True

    def decrypt(self) -> bytes:
        """Give what can be decrypted so far. `ended` and `error` tell of what comes after it."""
        read: Callable[[int, memoryview], int] = self._object.read  # type: ignore[assignment]
        view = _scratch.view
        parts: list[bytes] = []
        size = 0
        try:
            while got := read(_RECORD, view[size : size + _RECORD]):
                size += got
                if size > len(view) - _RECORD:
                    parts.append(bytes(view[:size]))
                    size = 0
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLEOFError:
            pass  # cut off: the caller knows that TCP has ended
        except ssl.SSLError as error:
            reason = error.reason or str(error)
            self.error = _of_alert(reason) or f"what the peer sent is no TLS ({_words(reason)})"
        text = bytes(view[:size])
        return b"".join((*parts, text)) if parts else text

    def encrypt(self, data: bytes | bytearray) -> bytes:
        """Give the bytes that carry `data`."""
        if data:
            self._object.write(data)
        return self._out.read()

    def close_notify(self) -> bytes:
        """Give the bytes that end this side. The other side can still be read."""
        with contextlib.suppress(ssl.SSLError):  # the peer has not ended its side, and need not
            self._object.unwrap()
        return self._out.read()

    def chain(self) -> list[ChainLink]:
        """Give the certificates that the peer's was verified by, its own first.

        All of them where this Python tells, else its own alone; none on a server that asked for
        none. For the thread that does the I/O, once the handshake is over.
        """
        inner = getattr(self._object, "_sslobj", None)  # public from 3.13 on, and bare DER there
        verified = getattr(inner, "get_verified_chain", None)
        found = verified() if verified is not None else None
        if found and all(hasattr(one, "get_info") for one in found):
            return [_link(one.get_info()) for one in found]
        own = self._object.getpeercert()
        return [_link(own)] if own else []

    def _explained(self, error: ssl.SSLError) -> str:
        """Put a failed handshake into words."""
        if isinstance(error, ssl.SSLCertVerificationError):
            who = f"the certificate of {self._target}" if self._target else "its certificate"
            hint = ""
            if error.verify_code in _UNKNOWN_AUTHORITY:
                hint = _STRANGER if self._target else "; name its authority with --ca FILE"
            return f"{who} cannot be trusted: {error.verify_message.rstrip('.')}{hint}"
        if isinstance(error, ssl.SSLEOFError):
            hint = "; it may not speak TLS, and expect tcp:// instead" if self._target else ""
            return f"the other side closed the connection during the TLS handshake{hint}"
        reason = error.reason or str(error)
        if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}:
            return _NO_TLS
        return _of_alert(reason) or f"the TLS handshake failed: {_words(reason)}"

    def _agreed(self) -> TLSDetails:
        cipher = self._object.cipher()
        return TLSDetails(
            version=self._object.version() or "",
            cipher=cipher[0] if cipher else "",
            alpn=self._object.selected_alpn_protocol(),
            certificate=self._object.getpeercert(binary_form=True),
        )


def _link(found: Any) -> ChainLink:
    """Read what OpenSSL tells of a certificate; see SSLSocket.getpeercert()."""
    return ChainLink(
        subject=_name(found.get("subject", ())),
        issuer=_name(found.get("issuer", ())),
        expires=float(ssl.cert_time_to_seconds(found["notAfter"])),
        names=tuple(_plain(kind, name) for kind, name in found.get("subjectAltName", ())),
    )


def _plain(kind: str, name: Any) -> str:
    """Write an address as people do: OpenSSL has every zero of IPv6."""
    if kind == "IP Address":
        with contextlib.suppress(ValueError):
            return str(ip_address(name.strip()))
    return str(name)


def _name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Put a distinguished name in a word: its common name, or the last part that it has."""
    pairs = [pair for part in parts for pair in part]
    return dict(pairs).get("commonName") or (pairs[-1][1] if pairs else "")


def server_context(cert: str, key: str, ca: str = "", alpn: str = "") -> ssl.SSLContext:
    """Make the settings of a TLS server from files in PEM form.

    cert: certificate, with its chain. key: its private key; may be in the same file.
    ca: authorities of whom a client must show a certificate; empty asks for none.
    alpn: application protocols to agree on one of, most wanted first, with commas between.
    Raises ConfigurationError naming the file at fault.
    """
    if not cert:
        msg = "tls:// needs a certificate; name its files with --cert FILE and --key FILE"
        raise ConfigurationError(msg)
    for file in filter(None, (cert, key, ca)):
        _readable(file)
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.set_ciphers(_CIPHERS)
    try:
        context.load_cert_chain(cert, key or None)
    except ssl.SSLError as error:
        msg = f"{cert}{' and ' + key if key else ''}: no certificate with its key ({error.reason})"
        raise ConfigurationError(msg) from None
    if ca:
        _load_authorities(context, ca)
        context.verify_mode = ssl.CERT_REQUIRED
    _offer(context, alpn)
    return context


def context_for(endpoint: Endpoint) -> ssl.SSLContext:
    """Make the settings of a server from the options of an endpoint. Errors likewise."""
    files = endpoint.options
    return server_context(files.cert or "", files.key or "", files.ca or "", files.alpn or "")


def client_context(
    ca: str = "", cert: str = "", key: str = "", alpn: str = "", also: Iterable[str] = ()
) -> ssl.SSLContext:
    """Make the settings of a TLS client. The server's certificate is always verified.

    ca: authorities to trust in place of the system's. cert, key: what to show to a server
    that asks. alpn: as for a server. also: files of authorities to trust beside the system's.
    Raises ConfigurationError naming the file at fault.
    """
    if ca:
        _readable(ca)
        context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        _load_authorities(context, ca)
    else:
        context = _strict(ssl.create_default_context())
        for file in also:
            _readable(file)
            _load_authorities(context, file)
    _offer(context, alpn)
    if cert:
        for file in filter(None, (cert, key)):
            _readable(file)
        try:
            context.load_cert_chain(cert, key or None)
        except ssl.SSLError as error:
            msg = f"{cert}: no certificate with its key ({error.reason})"
            raise ConfigurationError(msg) from None
    return context


def _offer(context: ssl.SSLContext, alpn: str) -> None:
    if alpn:
        context.set_alpn_protocols(alpn.split(","))


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # writing would have to wait for reading then
    return context


def _of_alert(reason: str) -> str:
    """Put what the other side objects to into words; "" for what is no alert of its."""
    alert = reason.partition("_ALERT_")[2]
    if alert == "CERTIFICATE_REQUIRED":
        return "the other side asks for a certificate; name one with --cert FILE and --key FILE"
    if "CERTIFICATE" in alert or alert == "UNKNOWN_CA":
        return f"the other side does not trust this side's certificate ({_words(alert)})"
    return f"the other side has ended TLS ({_words(alert)})" if alert else ""


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _load_authorities(context: ssl.SSLContext, ca: str) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        msg = f"{ca}: no certificate in PEM form in it"
        raise ConfigurationError(msg) from None


def _readable(file: str) -> None:
    try:
        Path(file).open("rb").close()
    except OSError as error:
        msg = f"{file}: {error.strerror}"
        raise ConfigurationError(msg) from None
