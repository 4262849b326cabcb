"""Fetching URL by URL as `jackfield fetch` was asked to: into files, to a pipe, on a terminal.

The rules this file owns:

1. The body goes to the file or to standard output, and nothing else does, but the header where
   `-i` or `-I` asks for it and the report of `--json`. All else is for standard error.
2. What comes from a server reaches a terminal with nothing in it that a terminal obeys; what is no
   text does not reach it at all.
3. One URL that fails does not keep the others from being fetched. The exit status is that of the
   first one.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from jackfield.cli.pipes import MAX_LINE, Output, output_encoding, tell
from jackfield.cli.progress import Painting
from jackfield.cli.telling import head_of, told
from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    DecodingError,
    EndpointError,
    HTTPStatusError,
    JackfieldError,
    LocalError,
    MessageTooLong,
    NameNotFound,
    RedirectRefused,
    RemoteProtocolError,
    ResponseCut,
    ServerSilent,
    TLSError,
)
from jackfield.fetching.fetch import fetch
from jackfield.fetching.pool import Pool
from jackfield.fetching.response import Response
from jackfield.fetching.saving import Checksum, Saved, download
from jackfield.fetching.steps import Connected, Pausing, Step
from jackfield.fetching.urls import URL
from jackfield.net import files
from jackfield.visible import escaped

_STATUSES: list[tuple[type[JackfieldError], int]] = [
    (NameNotFound, 6),
    (TLSError, 35),
    (ConnectTimeout, 28),
    (ServerSilent, 28),
    (ConnectError, 7),
    (ResponseCut, 18),
    (HTTPStatusError, 22),
    (RedirectRefused, 47),
    (DecodingError, 61),
    (MessageTooLong, 63),
    (RemoteProtocolError, 8),
    (ConfigurationError, 2),
    (EndpointError, 2),
]
"""The exit status of each kind of error, the first one that fits; the numbers are curl's, as far as
it has them. What is not here gives 1."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for."""

    targets: list[tuple[URL, str]]
    """Each with the file it goes to; "" for standard output."""
    options: dict[str, Any]
    resume: bool
    expected: Checksum | None
    include: bool
    quiet: bool
    verbose: bool
    raw_output: bool
    json: bool
    more: bool
    """Whether options were given that are needed to go on and are not shown."""


async def fetch_all(wishes: Wishes) -> int:
    """Fetch one after another; give the exit status."""
    status = 0
    async with Pool() as pool:
        for url, path in wishes.targets:
            one = One(wishes, pool, url, path)
            try:
                failed = await one.fetch()
            except JackfieldError as error:
                failed = status_of(error)
                tell(f"jackfield: {error}{one.advice(error)}")
                one.report(error, failed)
            status = status or failed
    return status


def status_of(error: JackfieldError) -> int:
    """Give the exit status that tells this kind of error."""
    return next((number for kind, number in _STATUSES if isinstance(error, kind)), 1)


class One:
    """One URL, on its way to where it is wanted."""

    def __init__(self, wishes: Wishes, pool: Pool, url: URL, path: str) -> None:
        self._wishes = wishes
        self._url = url
        self._path = path
        self._options = {**wishes.options, "pool": pool, "on_step": self._on_step}
        self._connected: Connected | None = None
        self._at_terminal = _is_terminal(sys.__stderr__)
        self._bar: Painting | None = None
        self._response: Response | None = None
        self._began = asyncio.get_running_loop().time()

    async def fetch(self) -> int:
        """Fetch it; give the exit status."""
        try:
            if self._path:
                return await self._to_file()
            return await self._to_output()
        except asyncio.CancelledError:
            self._end_painting()
            if self._path:
                tell(f"stopped{self._going_on()}")
            raise
        finally:
            self._end_painting()

    def _on_step(self, step: Step) -> None:
        if isinstance(step, Connected):
            self._connected = step
        wishes = self._wishes
        is_news = isinstance(step, Pausing) and self._at_terminal and not wishes.quiet
        if wishes.verbose or is_news:
            if self._bar is not None:
                self._bar.clear()
            for text in told(step):
                tell(text)

    def _end_painting(self) -> None:
        if self._bar is not None:
            self._bar.end()

    def _on_head(self, response: Response) -> None:
        self._response = response
        wishes = self._wishes
        if self._at_terminal and not (wishes.quiet or wishes.verbose or wishes.include):
            for text in head_of(response.received):
                tell(text)
            tell("")

    # To a file

    async def _to_file(self) -> int:
        wishes = self._wishes
        if self._at_terminal and not wishes.quiet:
            self._bar = Painting(self._path.rpartition("/")[2])
        saved = await download(
            self._url,
            self._path,
            resume=wishes.resume,
            expected=wishes.expected,
            progress=self._bar.update if self._bar is not None else None,
            on_head=self._on_head,
            on_note=self._note,
            **self._options,
        )
        self._end_painting()
        if self._at_terminal and not wishes.quiet:
            tell(f"{saved.path}: {saved.size} bytes")
        self.report(None, 0, saved)
        return 0

    def _note(self, text: str) -> None:
        if not self._wishes.quiet:
            tell(f"{self._path}: {text}")

    def _going_on(self) -> str:
        """Say how to go on with what has come, where that is possible."""
        if not files.is_file(f"{self._path}.part.json"):
            return ""
        ca = self._wishes.options["ca"]
        files_named = ["--ca", ca] if ca else []
        words = ["jackfield", "fetch", "--continue", "-o", self._path, *files_named, str(self._url)]
        more = ", with the other options as before" if self._wishes.more else ""
        return f"; to go on: {shlex.join(words)}{more}"

    def advice(self, error: JackfieldError) -> str:
        """Say how to go on after an error that leaves something to go on with."""
        can = isinstance(error, ResponseCut | ServerSilent | ConnectError)
        return self._going_on() if self._path and can else ""

    # To standard output

    async def _to_output(self) -> int:
        wishes = self._wishes
        output = Output()
        async with fetch(self._url, **self._options) as response:
            self._on_head(response)
            shown = _is_terminal(sys.__stdout__) and not wishes.raw_output
            if wishes.include and not wishes.json:
                lines = [f"{text}\n" for text in (*head_of(response.received), "")]
                safe = escaped("".join(lines)) if shown else "".join(lines)
                await output.write(safe.encode(output_encoding(), "replace"))
            put = _Shown(output, response).write if shown else output.write
            digest = wishes.expected.start() if wishes.expected else None
            if self._at_terminal and not wishes.quiet and not _is_terminal(sys.__stdout__):
                self._bar = Painting(self._url.name or self._url.host)
            while piece := await response.piece():
                if digest is not None:
                    digest.update(piece)
                await put(piece)
                if self._bar is not None:
                    self._bar.update(response.size, response.length)
            self._end_painting()
            if shown and response.size:
                await put(b"")
            if wishes.expected is not None:
                wishes.expected.check(response.url, digest)
            response.raise_for_status()
        self.report(None, 0)
        return 0

    # As JSON

    def report(self, error: JackfieldError | None, status: int, saved: Saved | None = None) -> None:
        """Print a line of JSON, where that is wanted."""
        if not self._wishes.json:
            return
        response = saved.response if saved is not None else self._response
        found: dict[str, Any] = {"url": str(self._url), "exit_status": status}
        if error is not None:
            found["error"] = str(error)
        if response is not None:
            found |= {
                "final_url": response.url,
                "status": response.status,
                "reason": response.reason,
                "fields": response.fields,
                "history": [{"status": hop.status, "url": hop.url} for hop in response.history],
                "peer": response.peer.address,
            }
        elif isinstance(error, HTTPStatusError):
            found["status"] = error.status
        if saved is not None:
            found |= {"file": saved.path, "size": saved.size, "resumed_at": saved.resumed_at}
        found["seconds"] = round(asyncio.get_running_loop().time() - self._began, 6)
        if self._connected is not None and self._connected.tls is not None:
            tls = self._connected.tls
            found["tls"] = {"version": tls.version, "cipher": tls.cipher, "alpn": tls.alpn}
            found["tls"]["chain"] = [
                {"subject": link.subject, "issuer": link.issuer, "expires": link.expires}
                for link in self._connected.chain
            ]
        click.echo(json.dumps(found))


class _Shown:
    """A body on a terminal: as text, with nothing in it that a terminal obeys."""

    def __init__(self, output: Output, response: Response) -> None:
        self._output = output
        self._url = response.url
        self._decode: Callable[..., str] = codecs.getincrementaldecoder(response.charset)(
            "replace"
        ).decode
        self._line_ended = True
        self._is_text = False

    async def write(self, piece: bytes) -> None:
        """Show a piece; b"" is the end. Raises LocalError for what is no text."""
        if not self._is_text and b"\0" in piece:
            raise LocalError(
                f"{self._url}: what comes is no text, and a terminal is for text; "
                "write it to a file with -o FILE, or into a pipe"
            )
        self._is_text = True
        text = escaped(self._decode(piece, final=not piece).replace("\r\n", "\n"))
        if text:
            self._line_ended = text.endswith("\n")
        if not piece and not self._line_ended:
            text += "\n"
        for at in range(0, len(text), MAX_LINE):
            part = text[at : at + MAX_LINE]
            await self._output.write(part.encode(output_encoding(), "replace"))


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()
