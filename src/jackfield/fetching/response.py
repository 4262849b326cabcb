"""Responses as `fetch()` gives them: to async code, and to blocking code."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Iterator
from email.message import Message
from typing import Any, Self

from jackfield.client import in_background
from jackfield.endpoints import Endpoint
from jackfield.errors import DecodingError, HTTPStatusError, MessageTooLong
from jackfield.fetching.asking import MAX_BODY
from jackfield.fetching.conversation import Body, Conversation, Hop
from jackfield.fetching.decoding import BodyDecoder, codings_of
from jackfield.fetching.exchange import Exchange
from jackfield.framing.http import Response as Received
from jackfield.net.details import TLSDetails
from jackfield.visible import printable


class Head:
    """What both kinds of responses tell.

    status, reason, version: of the status line; the reason may be empty.
    fields: by name in lower case, those that came several times joined. raw: as they came.
    url: where it came from in the end. history: the redirects that led there.
    peer: the address it came from. tls: what was agreed on there; None for http.
    body: the whole body, decoded, once it is read.
    """

    def __init__(
        self,
        received: Received,
        url: str,
        history: list[Hop],
        peer: Endpoint,
        tls: TLSDetails | None,
    ) -> None:
        assert isinstance(received.fields, dict)
        self.status = received.status
        self.reason = received.reason
        self.version = received.version
        self.fields: dict[str, str] = received.fields
        self.raw = received.raw
        self.received = received
        self.url = url
        self.history = history
        self.peer = peer
        self.tls = tls
        self.body = b""

    @property
    def is_error(self) -> bool:
        """Whether the status is 400 or above."""
        return self.status >= 400

    def raise_for_status(self) -> Self:
        """Give the response itself. Raises HTTPStatusError when its status is 400 or above."""
        if self.is_error:
            reason = f" {printable(self.reason)}" if self.reason else ""
            raise HTTPStatusError(f"{self.url}: {self.status}{reason}", self.status)
        return self

    @property
    def charset(self) -> str:
        """The encoding of text that Content-Type names, if Python knows it; else UTF-8."""
        parsed = Message()
        parsed["Content-Type"] = self.fields.get("content-type", "")
        name = parsed.get_content_charset("utf-8")
        try:
            info = codecs.lookup(name)
        except (LookupError, ValueError):
            return "utf-8"
        is_text = getattr(info, "_is_text_encoding", True)  # not a codec such as zip
        return info.name if is_text else "utf-8"

    def text(self) -> str:
        """Give the body that was read as text; what is no text in its charset is replaced."""
        return self.body.decode(self.charset, "replace")

    def json(self) -> Any:
        """Give the body that was read as JSON has it. Raises ValueError."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.url}>"


class Response(Head):
    """A response whose body is read, or iterated piece by piece, by async code."""

    def __init__(self, conversation: Conversation, exchange: Exchange) -> None:
        super().__init__(
            exchange.response,
            str(conversation.ask.url),
            list(conversation.history),
            exchange.peer,
            exchange.tls,
        )
        self._conversation = conversation
        self._options = conversation.options
        self.source = Body(conversation, exchange)
        self.size = 0
        """Bytes of the body that were given so far, decoded."""
        self._decoder = self._new_decoder()
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False
        length = self.source.length
        if self._decoder is None and length is not None:
            self._check_size(length, self._options.max_body)

    def _new_decoder(self) -> BodyDecoder | None:
        codings = codings_of(self.fields.get("content-encoding", ""))
        if not self._options.decode or not codings or self.source.length == 0:
            return None
        try:
            return BodyDecoder(codings)
        except DecodingError as error:
            self.source.close()
            raise DecodingError(f"{self.url}: {error}") from None

    @property
    def length(self) -> int | None:
        """Bytes that the body is said to have; None where that is not said, or it is decoded."""
        return None if self._decoder is not None else self.source.length

    @property
    def is_decoded(self) -> bool:
        """Whether a content coding is undone."""
        return self._decoder is not None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece, decoded. Raises what `fetch()` does."""
        return self

    async def __anext__(self) -> bytes:
        piece = await self.piece()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def piece(self) -> bytes:
        """Give the next piece of the body, b"" at its end. Errors as `fetch()`."""
        decoder = self._decoder
        if decoder is None:
            piece = b"" if self._ended else await self.source.piece()
        else:
            piece = await self._decoded(decoder)
        if not piece:
            self._ended = True
            return b""
        self.size += len(piece)
        self._check_size(self.size, self._options.max_body)
        return piece

    async def _decoded(self, decoder: BodyDecoder) -> bytes:
        try:
            while not self._ended:
                piece = next(self._pieces, b"")
                if piece:
                    return piece
                raw = await self.source.piece()
                if not raw:
                    decoder.finish()
                    break
                await asyncio.sleep(0)  # much may come of little: others have their turn, too
                self._pieces = decoder.feed(raw)
        except DecodingError as error:
            self.source.close()
            raise DecodingError(f"{self.url}: {error}") from None
        return b""

    def _check_size(self, size: int, most: int | None) -> None:
        if most is not None and size > most:
            self.source.close()
            raise MessageTooLong(
                f"{self.url}: a body of more than the {most} bytes that it may have; "
                "read it piece by piece, or allow more by max_body"
            )

    async def read(self) -> bytes:
        """Give the whole body; it is in `body` from then on. Errors as `fetch()`.

        Raises MessageTooLong when it is past `max_body`, or 64 MiB where that was not given.
        """
        most = self._options.max_body or MAX_BODY
        parts: list[bytes] = []

        def restart() -> None:
            parts.clear()
            self.restarted()

        if not self.size:
            self.source.restart = restart
        if self._decoder is None:
            self._check_size(self.source.length or 0, most)
        while piece := await self.piece():
            parts.append(piece)
            self._check_size(self.size, most)
        self.body = b"".join(parts) or self.body
        return self.body

    def restarted(self) -> None:
        """Begin anew: the source has."""
        self.size = 0
        self._pieces = iter(())
        self._decoder = self._new_decoder()

    async def close(self) -> None:
        """Be done with it, read or not."""
        self.source.close()
        await self._conversation.close()


class BlockingResponse(Head):
    """The same for blocking code: `for piece in response`, or `read()`."""

    def __init__(self, core: Response) -> None:
        super().__init__(core.received, core.url, core.history, core.peer, core.tls)
        self._core = core
        self.body = core.body

    def __iter__(self) -> Iterator[bytes]:
        """Give the body piece by piece, decoded. Raises what `fetch()` does."""
        while piece := in_background(self._core.piece()):
            yield piece

    def read(self) -> bytes:
        """As `Response.read()`."""
        self.body = in_background(self._core.read())
        return self.body

    def close(self) -> None:
        """As `Response.close()`."""
        in_background(self._core.close())
