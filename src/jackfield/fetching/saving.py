"""Downloads: a body into a file, gone on with after a cut, within a run and across runs.

The rules this file owns:

1. The file is there when all of it is, on the disk, with its checksum right; until then it is
   FILE.part. The codings of a body are not asked for: a part of one cannot be gone on with.
2. FILE.part.json holds the validator of what is in FILE.part, and a digest of its URL, which may
   have a secret in it. To go on, If-Range says the validator; a source that has changed is sent
   as a whole, and begins anew.
3. With `resume`, FILE is gone on with where there is no FILE.part, as one that another program has
   left. Nothing tells then whether the source is still the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from jackfield.client import in_background
from jackfield.errors import ChecksumMismatch, ConfigurationError, FetchError, HTTPStatusError
from jackfield.fetching.fetch import fetch
from jackfield.fetching.pool import Pool
from jackfield.fetching.response import Response
from jackfield.fetching.resuming import content_range, unsatisfied_total, validator
from jackfield.fetching.urls import URL, parse
from jackfield.net.ioloop import current
from jackfield.net.parts import Part
from jackfield.visible import printable

ALGORITHMS = ("sha256", "sha512", "sha384", "sha224", "sha3_256", "sha3_512", "blake2b", "blake2s")
WEAK = ("sha1", "md5")
"""Kinds of checksums; the weak ones tell an accident, and no attacker (RFC 6151, RFC 6194)."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of a body are expected to be."""

    algorithm: str
    value: str
    """In hexadecimal, lower case."""

    def start(self) -> Any:
        """Give a hash to feed."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def check(self, url: str, digest: Any) -> None:
        """Compare. Raises ChecksumMismatch."""
        found = digest.hexdigest()
        if found != self.value:
            raise ChecksumMismatch(
                f"{url}: its {self.algorithm} is {found}, and {self.value} was expected; it is "
                "damaged, or not what was meant"
            )


def checksum(text: str) -> Checksum:
    """Read a checksum such as `sha256:9f86...`. Raises ConfigurationError."""
    algorithm, colon, value = text.partition(":")
    algorithm, value = algorithm.strip().lower().replace("-", ""), value.strip().lower()
    if not colon or algorithm not in {*ALGORITHMS, *WEAK}:
        raise ConfigurationError(
            f"{text[:80]!r} is no checksum; write ALGORITHM:HEX, as sha256:9f86d0..., with one of "
            f"{', '.join((*ALGORITHMS, *WEAK))}"
        )
    size = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(value) != size or any(char not in "0123456789abcdef" for char in value):
        raise ConfigurationError(
            f"{value[:80]!r} is no {algorithm}, which has {size} hexadecimal digits"
        )
    return Checksum(algorithm, value)


@dataclass(frozen=True, slots=True)
class Saved:
    """A download that is done."""

    response: Response
    path: str
    size: int
    """Bytes of the file."""
    resumed_at: int
    """Bytes of it that were there before."""


class Download:
    """What `download()` gives: `await` it, or `get()` it from blocking code."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, Saved]]) -> None:
        self._run = run

    def __await__(self) -> Generator[Any, None, Saved]:
        return self._run().__await__()

    def get(self) -> Saved:
        """Do it; blocks until it is done."""
        return in_background(self._run())


def download(
    url: str | URL,
    path: str,
    *,
    resume: bool = False,
    expected: Checksum | None = None,
    progress: Progress | None = None,
    on_head: Callable[[Response], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    **options: Any,
) -> Download:
    """Fetch a URL into a file.

    ``await download(url, path)``, or ``download(url, path).get()`` in blocking code.

    resume: go on with what an earlier download has left.
    expected: what to compare the file with before it gets its name.
    progress: called with the bytes there are, and those there will be, if that is known.
    on_head: called with the response before its body is read. on_note: with what is worth telling.
    options: those of `fetch()`; `decode` is False unless given, and no `resume` goes with it.

    Raises what `fetch()` does, HTTPStatusError for a status of 300 or above, ChecksumMismatch (and
    the file is removed), and LocalError when it cannot be written. What has come by then is left
    in `path` + `.part`, for `resume`.
    """
    options.setdefault("decode", False)
    if resume and options["decode"]:
        raise ConfigurationError("what is decoded cannot be gone on with; ask for it as it is")
    where = parse(url) if isinstance(url, str) else url
    fetch(where, **options)  # to have what cannot be asked refused at once

    async def run() -> Saved:
        part = Part(path)
        part.begin()
        own = Pool()
        try:
            one = _Download(
                where,
                part,
                {"pool": own} | options,
                expected=expected,
                progress=progress,
                on_head=on_head,
                on_note=on_note,
            )
            return await one.run(resume=resume and part.is_plain)
        finally:
            part.leave()
            await own.close()

    return Download(run)


class _Download:
    """One download."""

    def __init__(
        self,
        url: URL,
        part: Part,
        options: dict[str, Any],
        *,
        expected: Checksum | None,
        progress: Progress | None,
        on_head: Callable[[Response], None] | None,
        on_note: Callable[[str], None] | None,
    ) -> None:
        self._url = url
        self._part = part
        self._options = options
        named = {name.lower() for name, _ in _pairs(options.get("headers", ()))}
        self._wants_part = "range" in named
        self._expected = expected
        self._digest = expected.start() if expected else None
        self._progress = progress or (lambda _done, _total: None)
        self._on_head = on_head or (lambda _response: None)
        self._on_note = on_note or (lambda _text: None)

    async def run(self, *, resume: bool) -> Saved:
        offset, condition = self._where_to_go_on() if resume else (0, "")
        if not offset:
            self._part.restart()
            return await self._whole()
        headers = [*_pairs(self._options.get("headers", ())), ("Range", f"bytes={offset}-")]
        if condition:
            headers.append(("If-Range", condition))
        options = {**self._options, "headers": headers}
        async with fetch(self._url, **options) as response:
            if response.status == 206:
                return await self._rest(response, offset)
            if response.status == 416:
                total = unsatisfied_total(response.fields)
                if total == offset:
                    return await self._nothing_left(response, offset)
            elif not response.is_error:
                self._anew("the source has changed, or cannot be gone on with")
                return await self._take(response, 0)
            else:
                response.raise_for_status()
        self._anew("the source is shorter than what is here")
        return await self._whole()

    def _anew(self, why: str) -> None:
        self._on_note(f"{why}; it is fetched anew")
        self._part.restart()

    def _where_to_go_on(self) -> tuple[int, str]:
        """Give how much there is, and by what to tell that the source is the same."""
        if self._part.size:
            try:
                known = json.loads(self._part.noted())
                condition, source = known["validator"], known["source"]
            except (ValueError, KeyError, TypeError):
                condition = source = ""
            if source != self._source() or not isinstance(condition, str) or not condition:
                self._on_note("nothing tells whether the source is still the same")
                return 0, ""
            return self._part.size, condition[:600]
        size = self._part.existing()
        if size:
            self._on_note(
                f"{self._part.path} is gone on with; nothing tells whether the source is the same"
            )
        return size, ""

    def _source(self) -> str:
        return hashlib.sha256(str(self._url).encode("utf-8", "replace")).hexdigest()

    async def _whole(self) -> Saved:
        async with fetch(self._url, **self._options) as response:
            return await self._take(response.raise_for_status(), 0)

    async def _rest(self, response: Response, offset: int) -> Saved:
        found = content_range(response.fields)
        if found is None or found.first != offset:
            raise FetchError(f"{response.url}: sends another part than the one asked for")
        if not self._part.size:
            self._part.take_over()
        await self._hash_what_is_there()
        return await self._take(response, offset)

    async def _nothing_left(self, response: Response, offset: int) -> Saved:
        if not self._part.size:
            self._part.take_over()
        await self._hash_what_is_there()
        self._on_head(response)
        return await self._finish(response, offset)

    async def _hash_what_is_there(self) -> None:
        digest = self._digest
        if digest is not None:
            await current().in_thread(lambda: self._part.hash_into(digest))

    async def _take(self, response: Response, offset: int) -> Saved:
        """Write the body, and put the file in its place."""
        if response.status >= 300:  # or an answer without a body would replace what is there
            why = f"{response.status} {printable(response.reason)}, so there is nothing to save"
            raise HTTPStatusError(f"{response.url}: {why}", response.status)
        part, source, digest = self._part, response.source, self._digest
        condition = validator(response.fields)
        is_whole = bool(offset) or response.status != 206
        if not is_whole and not self._wants_part:
            raise FetchError(f"{response.url}: sends a part, and all of it was asked for")
        if part.is_plain and condition and is_whole and not response.is_decoded:
            part.note(json.dumps({"validator": condition, "source": self._source()}) + "\n")
        self._on_head(response)

        def restart() -> None:
            nonlocal digest
            part.restart()
            response.restarted()
            digest = self._digest = self._expected.start() if self._expected else None

        if not offset and part.is_plain:
            source.restart = restart
        is_known = not response.is_decoded
        self._progress(part.size, source.total if is_known else None)
        while piece := await response.piece():
            part.write(piece)
            if digest is not None:
                digest.update(piece)
            self._progress(part.size, source.total if is_known else None)
        return await self._finish(response, offset)

    async def _finish(self, response: Response, offset: int) -> Saved:
        part, size = self._part, self._part.size
        if self._expected is not None:
            try:
                self._expected.check(response.url, self._digest)
            except ChecksumMismatch:
                part.discard()
                raise
        await current().in_thread(part.finish)
        return Saved(response, part.path, size, offset)


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return list(headers.items() if hasattr(headers, "items") else headers)
