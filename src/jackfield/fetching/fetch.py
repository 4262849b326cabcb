"""fetch(): what a browser does, in code; async and blocking."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

from jackfield.client import TIMEOUT, in_background
from jackfield.fetching.asking import IDLE, REDIRECTS, RETRIES, Ask, Data, Fields, Options, new_ask
from jackfield.fetching.conversation import Conversation
from jackfield.fetching.pool import Pool
from jackfield.fetching.response import BlockingResponse, Response
from jackfield.fetching.steps import Step
from jackfield.fetching.urls import URL, parse


class Fetch:
    """What `fetch()` gives: `await` it, `async with` it, use a plain `with`, or `get()`."""

    def __init__(self, ask: Ask, options: Options, pool: Pool | None) -> None:
        self._ask = ask
        self._pool = pool
        self._options = options
        self._response: Response | None = None

    def __await__(self) -> Generator[Any, None, Response]:
        return self._whole().__await__()

    async def __aenter__(self) -> Response:
        self._response = await self._begin()
        return self._response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._response is not None
        await self._response.close()

    def get(self) -> BlockingResponse:
        """Fetch it, body and all; blocks until that is done."""
        return BlockingResponse(in_background(self._whole()))

    def __enter__(self) -> BlockingResponse:
        self._response = in_background(self._begin())
        return BlockingResponse(self._response)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._response is not None
        in_background(self._response.close())

    async def _whole(self) -> Response:
        response = await self._begin()
        try:
            await response.read()
        finally:
            await response.close()
        return response

    async def _begin(self) -> Response:
        conversation = Conversation(self._ask, self._options, self._pool)
        try:
            return Response(conversation, await conversation.begin())
        except BaseException:
            await conversation.close()
            raise


def fetch(
    url: str | URL,
    *,
    method: str | None = None,
    data: Data | None = None,
    headers: Fields = (),
    auth: tuple[str, str] | None = None,
    timeout: float = TIMEOUT,
    idle_timeout: float = IDLE,
    max_time: float | None = None,
    redirects: int = REDIRECTS,
    retries: int = RETRIES,
    retry_connect: bool = False,
    max_body: int | None = None,
    decode: bool = True,
    ca: str | None = None,
    cert: str = "",
    key: str = "",
    pool: Pool | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Fetch:
    """Fetch what a URL of http or https names; HTTP/1.1, RFC 9110 and 9112.

    ``response = await fetch(url)`` gives it with its body in memory, and ``async with fetch(url)
    as response:`` with the body still to come, as by ``async for piece in response:``. Blocking
    code has ``fetch(url).get()`` and ``with fetch(url) as response:`` in their place.

    method: GET unless given, or POST where there is data.
    data: the body to send: bytes, text, or a mapping that is sent as a form is.
    headers: fields to send, by name or as pairs; an empty value leaves out what is sent by default.
    auth: user and password, for the scheme Basic (RFC 7617); those in the URL unless given.
    timeout: seconds for connecting, all addresses and the TLS handshake together.
    idle_timeout: seconds that the server may say nothing while it is waited for.
    max_time: seconds for all of it, bodies and retries too; None for as long as it takes.
    redirects: how many are followed one after another; 0 gives the first one as it is.
    retries: how often in a row is tried again, where that is safe, when a response is cut, the
    server falls silent, or says 429 or 503. A body is gone on with where it was cut.
    retry_connect: whether that is done when connecting fails, too.
    max_body: bytes that the body may have, decoded; None for 64 MiB of what is read as a whole, and
    for any number of what is read piece by piece.
    decode: whether to ask for gzip, deflate, br and zstd, and to undo them.
    ca: file of the authorities to trust, in place of the system's and this machine's own.
    cert, key: files of what to show to a server that asks for a certificate.
    pool: connections to share with other fetches; else they last as long as this one.
    on_step: called with each step of what happens; see `jackfield.fetching.steps`.

    No proxy is used, whatever the environment says, and no cookie is kept.

    Raises EndpointError and ConfigurationError now, for what cannot be asked; later ConnectError
    with its kin, FetchError with its kin, RemoteProtocolError for what is no HTTP, and
    MessageTooLong. A status of 400 or above raises nothing by itself: see `raise_for_status()`.
    """
    where = parse(url) if isinstance(url, str) else url
    options = Options(
        timeout=timeout,
        idle_timeout=idle_timeout,
        max_time=max_time,
        redirects=redirects,
        retries=retries,
        retry_connect=retry_connect,
        max_body=max_body,
        decode=decode,
        ca=ca,
        cert=cert,
        key=key,
        on_step=on_step,
    )
    return Fetch(new_ask(where, method, data, headers, auth, decode=decode), options, pool)
