"""A server that says, byte for byte, what a test has written down, and remembers what it was asked.

A script is a list of conversations, one for each connection in turn; a conversation is a list of
answers, one for each request on it. When the answers are used up the connection is closed.
"""

from __future__ import annotations

import contextlib
import email.parser
import io
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from tests.certificates import Certificates
from tests.live import PATIENCE


@dataclass
class Asked:
    """A request as it came."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes
    connection: int
    raw: bytes = field(repr=False, default=b"")


class Stay:
    """Say nothing more, and keep the connection open until the test is over."""


class Reset:
    """Reset the connection."""


class CutOff:
    """Close it, over TLS without saying so."""


STAY, RESET, CUT_OFF = Stay(), Reset(), CutOff()

Part = bytes | Stay | Reset | CutOff
Answer = bytes | Sequence[Part] | Callable[[Asked], "bytes | Sequence[Part]"]


def ok(body: bytes = b"", *lines: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A response with a length."""
    size = len(body) if length is None else length
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {size}", *lines])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def chunked(parts: Sequence[bytes], *lines: str, end: bytes = b"0\r\n\r\n") -> bytes:
    """A response in chunks."""
    head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *lines])
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return f"{head}\r\n\r\n".encode() + body + end


def redirect(location: str, status: str = "302 Found", *lines: str) -> bytes:
    return ok(b"moved", f"Location: {location}", *lines, status=status)


class Scripted:
    """The server. Use it in `with`.

    conversations: what each connection is answered; with `forever`, the last one again and again.
    """

    def __init__(
        self,
        *conversations: Sequence[Answer],
        tls: Certificates | None = None,
        forever: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self._script = list(conversations)
        self._forever = forever
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.cert, tls.key)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._place = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.asked: list[Asked] = []
        self.broken: list[BaseException] = []
        self._open: list[socket.socket] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self._place}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._over.is_set():
                sock.close()
                return
            sock.settimeout(PATIENCE)
            self._open.append(sock)
            script: Sequence[Answer] = []
            if number < len(self._script):
                script = self._script[number]
            elif self._forever:
                script = self._script[-1]
            number += 1
            self._start(partial(self._talk, sock, script, number))

    def _talk(self, raw: socket.socket, script: Sequence[Answer], number: int) -> None:
        sock = raw
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(raw, server_side=True)
                self._open.append(sock)
            with sock.makefile("rb") as reader:
                for answer in script:
                    asked = self._read(reader, number)
                    if asked is None:
                        return
                    self.asked.append(asked)
                    parts = answer(asked) if callable(answer) else answer
                    for part in [parts] if isinstance(parts, bytes) else parts:
                        if isinstance(part, Stay):
                            self._over.wait(PATIENCE)
                        elif isinstance(part, CutOff):
                            return
                        elif isinstance(part, Reset):
                            linger = struct.pack("ii", 1, 0)
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                            return
                        else:
                            sock.sendall(part)
                if self._context is not None:
                    # ValueError: it was shut down meanwhile, as the test has ended
                    with contextlib.suppress(OSError, ValueError):
                        sock.unwrap()  # type: ignore[attr-defined]  # it is of TLS
        except OSError:
            pass  # whoever asked has had enough
        except BaseException as error:
            self.broken.append(error)
        finally:
            sock.close()

    def _read(self, reader: io.BufferedReader, number: int) -> Asked | None:
        if reader.peek(1)[:1] == b"\x16":  # a client that speaks TLS
            return Asked("", "", {}, reader.read1(), number)
        first = reader.readline()
        if not first:
            return None
        lines = []
        while (line := reader.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        raw = first + b"".join(lines)
        method, target, _ = first.decode("latin-1").split()
        parsed = email.parser.Parser().parsestr(b"".join(lines).decode("latin-1"))
        fields = {name.lower(): value for name, value in parsed.items()}
        body = reader.read(int(fields.get("content-length", 0)))
        return Asked(method, target, fields, body or b"", number, raw)

    def stop_listening(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self.stop_listening()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for sock in self._open:
            sock.close()
        if error is None:
            assert not self.broken, self.broken
