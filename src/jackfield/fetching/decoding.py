"""Content codings undone: gzip, deflate, br and zstd, piece by piece and within bounds.

The rules this file owns:

1. A few bytes can stand for gigabytes. So what comes out comes in pieces of at most `PIECE`
   bytes, and there may be no more of it than `MOST_RATIO` times what went in, past `FREE`.
2. Any cut of the input gives the same bytes, or the same error.
3. A body that ends inside its coding is an error, and so is what follows the end of it.
4. A coding is offered only where it can be undone: br and zstd are in the extra `web`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from jackfield.errors import DecodingError

PIECE = 64 * 1024
"""Bytes of what comes out that are given at once, at the most."""

FREE = 32 * 1024 * 1024
MOST_RATIO = 256
"""Bytes that may come out whatever went in, and for each byte that did. Text is about 4 to 1, and
logs of one line over and over seldom pass 100; a bomb is 1000 to 1 and more."""

MOST_CODINGS = 2
"""Codings on top of each other: nobody has a use for more, except to hide a bomb."""

_WINDOW = 8 * 1024 * 1024
"""Bytes of memory that zstd may ask for: RFC 9659, section 3."""

_SLICE = 128
"""Bytes given to zstd at once: at most 32 blocks, which are 4 MiB (RFC 8878, section 3.1.1.2)."""

_BROTLI = re.compile(r"1\.(?:[2-9]|[1-9][0-9])|[2-9]|[1-9][0-9]")
"""The versions that can stop at a bound; in others a bomb goes off."""


class Undo(Protocol):
    """One coding undone."""

    ended: bool
    """Whether the coding has come to its end; what follows it is an error."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what these bytes stand for, in pieces. Raises DecodingError."""


class BodyDecoder:
    """Undoes the codings of one body, in the order of the field Content-Encoding.

    Raises DecodingError for a coding that is not known, or too many of them.
    """

    def __init__(self, codings: list[str]) -> None:
        if len(codings) > MOST_CODINGS:
            raise DecodingError(f"{len(codings)} codings on top of each other; 2 are the most")
        self._steps = [_undo(coding) for coding in reversed(codings)]
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what these bytes stand for, in pieces of `PIECE` at most. Raises DecodingError.

        Goes on as it is iterated: nothing more may be fed before that is done.
        """
        self._in += len(data)
        for piece in self._through(data, 0):
            self._out += len(piece)
            if self._out > FREE + MOST_RATIO * self._in:
                raise DecodingError(
                    f"{self._in} bytes become more than {self._out}; this may be a bomb, made to "
                    "fill the disk or the memory"
                )
            yield piece

    def _through(self, data: bytes, number: int) -> Iterator[bytes]:
        if number == len(self._steps):
            if data:
                yield data
            return
        for piece in self._steps[number].feed(data):
            yield from self._through(piece, number + 1)

    def finish(self) -> None:
        """Take the end of the body. Raises DecodingError when the coding has not ended."""
        if self._in and not all(step.ended for step in self._steps):
            raise DecodingError("the body ends inside its content coding; it is not whole")


def codings_of(value: str) -> list[str]:
    """Give the codings that a field Content-Encoding lists: RFC 9110, section 8.4."""
    names = [name.strip().lower() for name in value.split(",")]
    return [name for name in names if name and name != "identity"]


@cache
def offered() -> str:
    """Give the field Accept-Encoding: what can be undone here. RFC 9110, section 12.5.3."""
    return ", ".join(("gzip", "deflate", *(name for name in ("br", "zstd") if _has(name))))


def _has(name: str) -> bool:
    return _brotli() is not None if name == "br" else _zstandard() is not None


@cache
def _brotli() -> Any:
    """Give the package brotli, if it is there and can stop at a bound."""
    try:
        found = import_module("brotli")
    except ImportError:
        return None
    return found if _BROTLI.match(getattr(found, "__version__", "0")) else None


@cache
def _zstandard() -> Any:
    try:
        return import_module("zstandard")
    except ImportError:
        return None


def _undo(coding: str) -> Undo:
    makers: dict[str, Callable[[], Undo]] = {
        "gzip": _Gzip,
        "x-gzip": _Gzip,
        "deflate": _Deflate,
    }
    if _brotli() is not None:
        makers["br"] = _Brotli
    if _zstandard() is not None:
        makers["zstd"] = _Zstandard
    if coding not in makers:
        hint = "; pip install 'jackfield[web]' brings it" if coding in {"br", "zstd"} else ""
        raise DecodingError(f"the content coding {coding[:40]!r} is not known here{hint}")
    return makers[coding]()


class _Zlib:
    """What gzip and deflate have in common."""

    _bits = 0

    def __init__(self) -> None:
        self.ended = False
        self._inner: Any = None

    def _begin(self, data: bytes) -> bytes:
        """Take the beginning of a stream; give what is to be fed, or nothing for now."""
        raise NotImplementedError

    def feed(self, data: bytes) -> Iterator[bytes]:
        more = False  # whether it may not have given all of what it has taken
        while data or more:
            if self._inner is None:
                data = self._begin(data)
                if not data:
                    return
            try:
                piece = self._inner.decompress(data, PIECE)
            except zlib.error as error:
                raise DecodingError(f"the body is not in its content coding ({error})") from None
            if piece:
                yield piece
            data, more = self._inner.unconsumed_tail, len(piece) == PIECE
            if self._inner.eof:
                data, more = self._inner.unused_data, False
                self._inner = None
                self.ended = True


class _Gzip(_Zlib):
    """RFC 1952: members one after another. NULs behind the last one are padding."""

    def _begin(self, data: bytes) -> bytes:
        if self.ended and not data.strip(b"\0"):
            return b""
        self.ended = False
        self._inner = zlib.decompressobj(31)
        return data


class _Deflate(_Zlib):
    """RFC 1950 by RFC 9110, section 8.4.1.2; but some servers leave its header out (RFC 1951)."""

    def __init__(self) -> None:
        super().__init__()
        self._first = b""

    def _begin(self, data: bytes) -> bytes:
        if self.ended:
            raise _follows()
        self._first += data
        if len(self._first) < 2:
            return b""
        data, self._first = self._first, b""
        has_header = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        self._inner = zlib.decompressobj(15 if has_header else -15)
        return data


class _Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        self._error: type[Exception] = _brotli().error
        self._inner = _brotli().Decompressor()
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self.ended and data:
            raise _follows()
        while True:
            try:
                piece = self._inner.process(data, output_buffer_limit=PIECE)
            except self._error:
                raise DecodingError("the body is not in its content coding, br") from None
            data = b""
            self.ended = self._inner.is_finished()
            # one piece may be a little more than the bound
            yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))
            # it may take more although it has not given all, so what it gives last is nothing
            if self.ended or (not piece and self._inner.can_accept_more_data()):
                return


class _Zstandard:
    """RFC 8878: frames one after another."""

    def __init__(self) -> None:
        self._made = _zstandard().ZstdDecompressor(max_window_size=_WINDOW)
        self._error: type[Exception] = _zstandard().ZstdError
        self._inner: Any = None
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _SLICE):
            rest = data[start : start + _SLICE]
            while rest:
                if self._inner is None:
                    self._inner = self._made.decompressobj()
                    self.ended = False
                try:
                    piece = self._inner.decompress(rest)
                except self._error as error:
                    why = f"the body is not in its content coding ({error})"
                    raise DecodingError(why) from None
                yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))
                rest = b""
                if self._inner.eof:
                    rest, self._inner, self.ended = self._inner.unused_data, None, True


def _follows() -> DecodingError:
    return DecodingError("there are bytes behind the end of the content coding")
