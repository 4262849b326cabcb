"""The laws of HTTP's framing, and of what a site gives away, each as the docstring of its test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jackfield.errors import LocalProtocolError, RemoteProtocolError
from jackfield.framing.http import END, HTTP, Request, Response, chunked
from jackfield.services.web import make
from tests.faults.malformed import ROWS
from tests.live import Live
from tests.web import Browser, Reply

MANY = 10 * settings().max_examples

# The framing

tokens = st.text(st.sampled_from("abcXYZ09-_!~"), min_size=1, max_size=8)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"))
fields = st.lists(st.tuples(tokens.map("x-{}".format), values), max_size=5)
bodies = st.binary(max_size=50) | st.none()


def decoded(framing: HTTP, pieces: list[bytes]) -> tuple[list[Any], str]:
    """What comes of bytes in pieces: heads as dictionaries, bodies whole."""
    decoder = framing.decoder()
    found: list[Any] = []
    body = b""
    for piece in pieces:
        for message in decoder.feed(piece):
            if isinstance(message, bytes):
                body += message
            elif message is END:
                found.append(body)
                body = b""
            else:
                found.append({name: getattr(message, name) for name in message.__slots__})
    decoder.finish()
    assert decoder.error is None or isinstance(decoder.error, RemoteProtocolError)
    if decoder.error is None:
        found.append(body)
    return found, repr(decoder.error)


def pieces_of(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(at)]


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """Rows of the table of malformed requests, one behind the other, with a few bytes changed."""
    rows = [row.data for row in ROWS if len(row.data) < 500]
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(rows), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b"\r\n\0 \t:0a;,\xff"))
    return bytes(data)


@given(garbled(), st.lists(st.integers(0, 2000), max_size=6))
@settings(max_examples=MANY)
def test_any_cut(data: bytes, places: list[int]) -> None:
    """However bytes are cut, good or garbage, the same comes of them."""
    framing = HTTP(max_body=300)
    assert decoded(framing, pieces_of(data, places)) == decoded(framing, [data])


@given(
    st.lists(st.tuples(fields, bodies, st.booleans()), min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), max_size=6),
)
def test_what_is_encoded_is_decoded(
    requests: list[tuple[list[tuple[str, str]], bytes | None, bool]], places: list[int]
) -> None:
    """Requests and responses come out as they went in, in order, with their bodies."""
    server, client = HTTP(), HTTP("client", max_body=None)
    asked = answered = b""
    wanted: list[Any] = []
    for given_fields, body, in_chunks in requests:
        pairs = [("Host", "a"), *given_fields]
        data = body or b""
        if in_chunks:
            pairs.append(("Transfer-Encoding", "chunked"))
            data = chunked(data) + chunked(b"") if data else chunked(b"")
        else:
            pairs.append(("Content-Length", str(len(data))))
        asked += server.encode(Request("POST", "/a?b", pairs)) + data  # type: ignore[arg-type]  # pairs go too
        answered += server.encode(Response(200, pairs, data))
        joined: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        wanted.append(joined)
        if in_chunks or data:
            wanted.append(body or b"")
    for framing, stream in ((server, asked), (client, answered)):
        found, error = decoded(framing, pieces_of(stream, places))
        assert error == "None"
        assert found.pop() == b""
        assert [one if isinstance(one, bytes) else one["fields"] for one in found] == wanted


@given(tokens | st.text(max_size=5), st.text(max_size=20))
@example("a", "b\r\nc: d")
@example("a", "b\n")
@example("a\r\n\r\n", "b")
def test_nothing_sent_is_more_than_one_field(name: str, value: str) -> None:
    """A field is sent as one line, whatever its name and value hold, or not at all."""
    try:
        data = HTTP().encode(Response(200, {name: value}))
    except LocalProtocolError:
        return
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") == 3


# What a site gives away

SECRET = b"SECRET: nobody outside is to see this"

parts = st.sampled_from(
    [
        *(
            "a",
            "d",
            "e",
            "f",
            "in",
            "up",
            "deep",
            "out",
            "outdir",
            "abs",
            "absdir",
            "absin",
            "loop",
        ),
        *("dangling", "fifo", "null", "sock", "back", "proc", "secret", "outside", "site", "etc"),
        *("..", ".", "", "%2e%2e", "%2e", ".%2e", "%2f", "%5c", "..%2f", "..%5c", "%00", "a%00"),
        *("%c0%ae%c0%ae", "%252e%252e", "%ff", "..;", "a;x", "~", "passwd", "self", "environ"),
        *("\\", "..\\", "%", "%zz", "....", ".hidden", "%2ehidden", "a" * 256, "C:", "a%20"),
    ]
)
targets = st.lists(parts, min_size=1, max_size=6).map("/".join).map("/{}".format)


def build(root: Path) -> Path:
    """A site with every kind of thing in it, and a secret beside it."""
    site = root / "site"
    (site / "d" / "deep").mkdir(parents=True)
    (root / "outside").mkdir()
    (root / "outside" / "secret").write_bytes(SECRET)
    (root / "secret").write_bytes(SECRET)
    for name in ("a", "d/e", "d/deep/f"):
        (site / name).write_text(f"public {name}")
    (site / ".hidden").write_bytes(SECRET)
    links: dict[str, str | Path] = {
        "in": "d/e",
        "d/up": "../a",
        "out": "../secret",
        "outdir": "../outside",
        "abs": root / "secret",
        "absdir": root / "outside",
        "absin": site / "a",
        "d/out": "../../secret",
        "d/outdir": "../../outside",
        "loop": "loop",
        "d/loop": "../loop",
        "dangling": "none",
        "back": "../site/a",
        "proc": "/proc/self",
    }
    for name, leads in links.items():
        (site / name).symlink_to(leads)
    os.mkfifo(site / "fifo")
    if os.geteuid() == 0:
        os.mknod(site / "null", 0o20666, os.makedev(1, 3))
    return site


@pytest.fixture(scope="module", params=["with openat2", "without"])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "without":
            patched.setattr("jackfield.net.tree._has_openat2", lambda _: False)
        root = Path(tempfile.mkdtemp(prefix="jackfield-"))
        try:
            service = make(folder=str(build(root)))
            with Live(service, "tcp://127.0.0.1:0") as live, Browser(live.endpoints[0]) as made:
                yield made
        finally:
            shutil.rmtree(root)


def plain(reply: Reply) -> Reply:
    return reply._replace(fields={k: v for k, v in reply.fields.items() if k != "date"})


@given(targets, st.sampled_from(["GET", "HEAD"]))
@example("/out", "GET")
@example("/outdir/secret", "GET")
@example("/absdir/secret", "GET")
@example("/d/outdir/secret", "GET")
@example("/../secret", "GET")
@example("/proc/environ", "GET")
@example("/fifo", "GET")
@example("/null", "GET")
@settings(max_examples=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_leads_out(browser: Browser, target: str, method: str) -> None:
    """Whatever is asked for, what comes is a public file, a page, its address, or the same 404."""
    reply = browser.ask(target, method)
    assert SECRET not in reply.body
    assert b"SECRET" not in reply.body
    if reply.status == 200 and method == "GET":
        is_page = reply.fields["content-type"].startswith("text/html")
        assert is_page or reply.text.startswith("public ")
        if is_page:
            for name in ("out", "outdir", "abs", "absdir", "loop", "dangling", "fifo", "null"):
                assert f">{name}<" not in reply.text
                assert f">{name}/<" not in reply.text
    elif reply.status == 301:
        assert reply.fields["location"].startswith("/")
        assert not reply.fields["location"].startswith("//")
    elif reply.status != 200:
        assert plain(reply) == plain(browser.ask("/there/is/no/such/thing", method))


@given(st.binary(min_size=1, max_size=30))
def test_any_name_can_be_served(name: bytes) -> None:
    """A file of whatever name the system takes is found under that name, and listed."""
    if name in {b".", b".."} or set(b"/\0") & set(name) or name.startswith(b"."):
        return
    folder = tempfile.mkdtemp(prefix="jackfield-")
    try:
        Path(folder, os.fsdecode(name)).write_bytes(b"public " + name)
        with (
            Live(make(folder=folder), "tcp://127.0.0.1:0") as live,
            Browser(live.endpoints[0]) as browser,
        ):
            if name not in {b"index.html", b"404.html"}:
                assert f'href="./{quote(name, safe="")}"' in browser.ask("/").text
            assert browser.ask("/" + quote(name, safe="")).body == b"public " + name
    finally:
        shutil.rmtree(folder)
