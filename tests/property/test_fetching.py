"""Whatever a server sends, a fetch gives a response or raises one of our errors."""

from __future__ import annotations

import contextlib
import gzip
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jackfield import fetch
from jackfield.errors import JackfieldError
from tests.scripted import Scripted, chunked, ok

BODY = b"some text that is long enough" * 20
GOOD = [
    ok(BODY, 'ETag: "x"'),
    chunked([BODY[:10], BODY[10:]], "Connection: close"),
    b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    ok(gzip.compress(BODY, mtime=0), "Content-Encoding: gzip"),
    ok(b"", "Location: /again", status="301 Moved Permanently"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + ok(BODY),
    ok(BODY[:9], "Content-Range: bytes 0-8/580", status="206 Partial Content"),
]


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good response with something in it cut out, put in or turned round."""
    data = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 12))
        noise = draw(st.binary(max_size=8) | st.sampled_from([b"\r\n", b"\0", b"0", b": ", b"\r"]))
        data = data[:at] + noise + data[at + size :]
    return data


@given(st.binary(max_size=300) | spoilt())
def test_whatever_a_server_sends_is_a_response_or_one_of_our_errors(data: bytes) -> None:
    with Scripted([data]) as server:
        try:
            response = fetch(server.url, retries=0, idle_timeout=2).get()
        except JackfieldError as error:
            assert str(error).isprintable()  # noqa: PT017  it need not be raised
        else:
            assert 200 <= response.status <= 999


@given(st.sampled_from(GOOD), st.lists(st.integers(0, 700), max_size=6))
def test_any_cut_of_a_good_response_gives_the_same(data: bytes, cuts: list[int]) -> None:
    """How a response is cut into packets changes nothing."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places)]
    seen = []
    with contextlib.ExitStack() as stack:
        for answer in ([data], [part for part in parts if part]):
            server = stack.enter_context(Scripted([answer]))
            response = fetch(server.url, redirects=0, decode=False).get()
            seen.append((response.status, response.fields, response.body))
    assert seen[0] == seen[1]
