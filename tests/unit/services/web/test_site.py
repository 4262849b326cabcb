"""A site over a real socket, asked by Python's own client."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from jackfield.events import HandlerFailed, RequestAnswered
from jackfield.limits import Limits
from jackfield.net import tree as tree_module
from jackfield.services.web import make
from jackfield.services.web.held import IN_MEMORY, KEPT_OPEN
from tests.live import Live, until
from tests.web import Browser, Reply, settle

LONG = os.urandom(300_000)
CODINGS = {"Accept_Encoding": "br, gzip"}
LIMITS = Limits(linger_time=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that no test changes."""
    root = tmp_path_factory.mktemp("site")
    (root / "outside").write_text("secret")
    site = root / "site"
    (site / "d" / "e").mkdir(parents=True)
    (site / "with").mkdir()
    (site / ".git").mkdir()
    (site / ".well-known").mkdir()
    (site / "index.html.d").mkdir()
    (site / "a.txt").write_text("alpha")
    (site / "empty").touch()
    (site / "long.bin").write_bytes(LONG)
    (site / "with" / "index.html").write_text("<p>index")
    (site / "d" / "b.css").write_text("beta")
    (site / ".git" / "config").write_text("secret")
    (site / ".well-known" / "x").write_text("known")
    (site / "both.js").write_text("plain")
    (site / "both.js.gz").write_bytes(gzip.compress(b"plain"))
    (site / "both.js.br").write_bytes(b"brotli")
    (site / "zip.css").write_text("plain" * 10_000)
    (site / "zip.css.gz").write_bytes(gzip.compress(b"plain" * 10_000))
    (site / "folder.txt").write_text("plain")
    (site / "folder.txt.br").mkdir()
    (site / "photo.png").write_bytes(b"png")
    (site / "photo.png.gz").write_bytes(b"zip")
    (site / "out").symlink_to("../outside")
    (site / "in").symlink_to("a.txt")
    (site / "%41?#&\"'<b>.txt").write_text("odd")
    (site / os.fsdecode(b"\xff.txt")).write_text("bytes")
    os.mkfifo(site / "fifo")
    settle(site)
    return site


def serving(**options: Any) -> Live:
    return Live(make(**options), "tcp://127.0.0.1:0", limits=LIMITS)


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    with serving(folder=str(folder)) as running:
        yield running
    assert running.of(HandlerFailed) == []


@pytest.fixture
def browser(live: Live) -> Iterator[Browser]:
    with Browser(live.endpoints[0]) as made:
        yield made


def ask(live: Live, target: str, method: str = "GET", /, **fields: str) -> Reply:
    with Browser(live.endpoints[0]) as browser:
        return browser.ask(target, method, **fields)


# Files


def test_a_small_file(browser: Browser) -> None:
    for _ in range(2):  # read, and then held
        reply = browser.ask("/a.txt")
        assert (reply.status, reply.text) == (200, "alpha")
        del reply.fields["date"]
        tag = reply.fields.pop("etag")
        assert tag.startswith('"')
        assert reply.fields == {
            "content-length": "5",
            "content-type": "text/plain; charset=utf-8",
            "last-modified": formatdate(1_000_000_000, usegmt=True),
            "accept-ranges": "bytes",
            "x-content-type-options": "nosniff",
            "vary": "Accept-Encoding",
        }
        assert browser.is_open


def test_a_long_one_and_an_empty_one(browser: Browser) -> None:
    for _ in range(2):
        assert browser.ask("/long.bin").body == LONG
        reply = browser.ask("/empty")
        assert (reply.status, reply.body, reply.fields["content-length"]) == (200, b"", "0")
    assert browser.is_open


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/in", b"alpha"),
        ("/d/b.css", b"beta"),
        ("/%61%2etxt", b"alpha"),
        ("/%2541%3f%23&%22'%3Cb%3E.txt", b"odd"),
        ("/%ff.txt", b"bytes"),
        ("/.well-known/x", b"known"),
        ("/a.txt?/../x", b"alpha"),
        ("/with/", b"<p>index"),
        ("/with/index.html", b"<p>index"),
    ],
)
def test_names_lead_to_files(browser: Browser, target: str, body: bytes) -> None:
    assert browser.ask(target).body == body


@pytest.mark.parametrize(
    "target", ["/a.txt", "/long.bin", "/empty", "/with/", "/d/", "/none", "/d"]
)
def test_a_head_is_a_get_without_its_body(browser: Browser, target: str) -> None:
    head, get = browser.ask(target, "HEAD"), browser.ask(target)
    assert head.body == b""
    assert (head.status, head.fields | get.fields) == (get.status, get.fields)
    assert set(head.fields) == set(get.fields)
    assert browser.is_open


def test_a_folder_without_its_slash_is_sent_on(browser: Browser) -> None:
    assert browser.ask("/d").fields["location"] == "/d/"
    assert browser.ask("/d?a=b&c").fields["location"] == "/d/?a=b&c"
    assert browser.ask("/%64/e").fields["location"] == "/d/e/"
    assert browser.ask("/d").status == 301


def test_it_is_read_only(browser: Browser) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "MKCOL"):
        reply = browser.ask("/a.txt", method, b"x" * 1000)
        assert (reply.status, reply.fields["allow"]) == (405, "GET, HEAD, OPTIONS")
    for target in ("/a.txt", "/none", "*"):
        reply = browser.ask(target, "OPTIONS")
        assert (reply.status, reply.fields["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert browser.ask("/a.txt").text == "alpha"


# What is not there


NOWHERE = [
    "/none",
    "/a.txt/",
    "/a.txt/x",
    "/d/none",
    "/../outside",
    "/%2e%2e/outside",
    "/d/../a.txt",
    "/d%2fb.css",
    "/a.txt%00",
    "/out",
    "/fifo",
    "/.git/config",
    "/.git",
    "//a.txt",
    "/" + "a" * 300,
    "/d" * 70,
    "/%",
]


def without_date(reply: Reply) -> Reply:
    return reply._replace(fields={k: v for k, v in reply.fields.items() if k != "date"})


def test_whatever_leads_nowhere_gets_the_very_same_answer(browser: Browser) -> None:
    replies = [without_date(browser.ask(target)) for target in NOWHERE]
    assert replies == replies[:1] * len(NOWHERE)
    assert (replies[0].status, replies[0].text) == (404, "404 Not Found\n")


@pytest.mark.parametrize("size", [10, 100_000])
def test_so_with_a_page_of_the_sites_own(tmp_path: Path, size: int) -> None:
    (tmp_path / "404.html").write_text("n" * size)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "out").symlink_to("/etc/passwd")
    settle(tmp_path)
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        first = without_date(browser.ask("/none"))
        assert (first.status, first.text) == (404, "n" * size)
        assert first.fields["content-type"] == "text/html; charset=utf-8"
        for target in NOWHERE:
            assert without_date(browser.ask(target)) == first
        assert browser.ask("/none", "HEAD").fields["content-length"] == str(size)
        assert browser.ask("/404.html").status == 200
        assert browser.ask("/none", Range="bytes=0-1").status == 404


def test_a_folder_in_place_of_such_pages_is_none(tmp_path: Path) -> None:
    (tmp_path / "404.html").mkdir()
    (tmp_path / "index.html").mkdir()
    with serving(folder=str(tmp_path)) as live:
        assert ask(live, "/none").text == "404 Not Found\n"
        assert "index.html" in ask(live, "/").text


def test_hidden_names_and_links_are_served_when_told(folder: Path) -> None:
    with serving(folder=str(folder), hidden=True, follow_links=True) as live:
        assert ask(live, "/.git/config").text == "secret"
        assert ask(live, "/out").text == "secret"
        assert ask(live, "/../outside").status == 404
        page = ask(live, "/").text
        assert ">.git/<" in page
        assert ">out<" in page


@pytest.mark.parametrize("keep", [b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"])
def test_held_files_come_whole_and_in_order(live: Live, keep: bytes) -> None:
    """A long one is sent by the system, past what waits to be written together."""
    names = [b"long.bin", b"a.txt", b"long.bin", b"long.bin", b"a.txt", b"a.txt"]
    ask = b"".join(b"GET /%b HTTP/%bHost: localhost\r\n\r\n" % (name, keep) for name in names)
    with live.connect() as peer:
        peer.sock.sendall(ask + b"GET /a.txt HTTP/1.0\r\nHost: localhost\r\n\r\n")
        said = peer.rest()
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].split()[0])
        found.append((b"Connection: close" in head, b"keep-alive" in head, said[:size]))
        said = said[size:]
    bodies = {b"a.txt": b"alpha", b"long.bin": LONG}
    is_old = keep.startswith(b"1.0")
    assert found == [(False, is_old, bodies[name]) for name in names] + [(True, False, b"alpha")]


# Conditions, parts and codings


def test_what_is_known_is_not_sent_again(browser: Browser) -> None:
    first = browser.ask("/a.txt")
    tag, date = first.fields["etag"], first.fields["last-modified"]
    for fields in ({"If_None_Match": tag}, {"If_Modified_Since": date}):
        for method in ("GET", "HEAD"):
            reply = browser.ask("/a.txt", method, **fields)
            assert (reply.status, reply.body) == (304, b"")
            kept = {"etag", "last-modified", "vary", "accept-ranges", "x-content-type-options"}
            assert {name: reply.fields[name] for name in kept} == {n: first.fields[n] for n in kept}
            assert "content-length" not in reply.fields
    assert browser.ask("/a.txt", If_Match='"x"').status == 412
    assert browser.ask("/a.txt", If_Match=tag).status == 200
    assert browser.is_open


@pytest.mark.parametrize(("target", "whole"), [("/a.txt", b"alpha"), ("/long.bin", LONG)])
def test_parts(browser: Browser, target: str, whole: bytes) -> None:
    size = len(whole)
    reply = browser.ask(target, Range="bytes=1-3")
    assert (reply.status, reply.body) == (206, whole[1:4])
    assert reply.fields["content-range"] == f"bytes 1-3/{size}"
    assert reply.fields["content-length"] == "3"
    assert browser.ask(target, Range="bytes=-2").body == whole[-2:]
    assert browser.ask(target, Range="bytes=2-").body == whole[2:]
    reply = browser.ask(target, Range=f"bytes={size}-")
    assert (reply.status, reply.fields["content-range"]) == (416, f"bytes */{size}")
    assert browser.ask(target, "HEAD", Range="bytes=1-3").status == 200
    tag = reply.fields.get("etag") or browser.ask(target).fields["etag"]
    assert browser.ask(target, Range="bytes=0-0", If_Range=tag).status == 206
    assert browser.ask(target, Range="bytes=0-0", If_Range=f"W/{tag}").body == whole
    assert browser.ask(target, Range="bytes=0-0", If_Range='"x"').body == whole
    assert browser.ask(target, Range="bytes=0-0", If_None_Match=tag).status == 304
    assert browser.is_open


def test_a_sibling_is_sent_to_who_takes_its_coding(browser: Browser) -> None:
    def coding(**fields: str) -> tuple[str, bytes]:
        reply = browser.ask("/both.js", **fields)
        assert reply.fields["vary"] == "Accept-Encoding"
        assert reply.fields["content-type"] == "text/javascript; charset=utf-8"
        return reply.fields.get("content-encoding", ""), reply.body

    zipped = gzip.compress(b"plain")
    for _ in range(2):
        assert coding(Accept_Encoding="gzip, br") == ("br", b"brotli")
        found, body = coding(Accept_Encoding="gzip")
        assert (found, gzip.decompress(body)) == ("gzip", b"plain")
        assert len(body) == len(zipped)
        assert coding(Accept_Encoding="identity") == ("", b"plain")
        assert coding(Accept_Encoding="br;q=0, gzip;q=0") == ("", b"plain")
        assert coding(Accept_Encoding="*;q=0") == ("", b"plain")
        assert coding() == ("", b"plain")


def test_each_coding_has_a_tag_of_its_own_and_parts(browser: Browser) -> None:
    tags = {browser.ask("/both.js", Accept_Encoding=c).fields["etag"] for c in ("br", "gzip", "x")}
    assert len(tags) == 3
    reply = browser.ask("/both.js", Accept_Encoding="br", Range="bytes=0-1")
    assert (reply.status, reply.body) == (206, b"br")
    assert reply.fields["content-range"] == "bytes 0-1/6"
    assert reply.fields["content-encoding"] == "br"
    tag = browser.ask("/zip.css", Accept_Encoding="gzip").fields["etag"]
    assert browser.ask("/zip.css", Accept_Encoding="gzip", If_None_Match=tag).status == 304
    assert browser.ask("/zip.css", If_None_Match=tag).status == 200


def test_what_has_no_sibling_is_sent_as_it_is(browser: Browser) -> None:
    for target, body in (("/a.txt", b"alpha"), ("/folder.txt", b"plain"), ("/photo.png", b"png")):
        reply = browser.ask(target, Accept_Encoding="br, gzip")
        assert (reply.status, reply.body) == (200, body)
        assert "content-encoding" not in reply.fields
    reply = browser.ask("/both.js.gz", Accept_Encoding="gzip")
    assert "content-encoding" not in reply.fields
    assert reply.fields["content-type"] == "application/gzip"


# Who may


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_users(folder: Path) -> None:
    digest = hashlib.sha256(b"open").hexdigest()
    with serving(folder=str(folder), auth=(f"anna:sha256:{digest}",)) as live:
        with Browser(live.endpoints[0]) as browser:
            for said in (basic("anna", "x"), "x", ""):
                for target in ("/a.txt", "/none", "/d/"):
                    reply = browser.ask(target, Authorization=said)
                    assert (reply.status, reply.text) == (401, "401 Unauthorized\n")
                    assert reply.fields["www-authenticate"].startswith("Basic realm=")
            for _ in range(2):
                assert browser.ask("/a.txt", Authorization=basic("anna", "open")).text == "alpha"
            assert browser.ask("/a.txt").status == 401
        assert {event.user for event in live.of(RequestAnswered)} == {"", "anna"}


def test_what_is_known_of_users_has_a_bound(folder: Path) -> None:
    digest = hashlib.sha256(b"open").hexdigest()
    service = make(folder=str(folder), auth=(f"anna:sha256:{digest}",))
    site: Any = service.handler
    for number in range(600):
        assert site.user_of(basic("anna", f"{number}")) is None
        assert site.user_of(basic("anna", "open") + " " * number) == "anna"
    assert len(site._known) <= 256


def test_hosts(folder: Path) -> None:
    with serving(folder=str(folder), host=("files.example",)) as live:
        assert ask(live, "/a.txt", Host="files.example").status == 200
        assert ask(live, "/a.txt", Host="FILES.EXAMPLE:80").status == 200
        assert ask(live, "/a.txt", Host="other.example").status == 421
        assert ask(live, "http://files.example/a.txt", Host="other.example").text == "alpha"


# A text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hello, 世界", "text/plain"),
        ("<h1>hello</h1>", "text/html"),
        (" \n<p>", "text/html"),
        ("a < b", "text/plain"),
    ],
)
def test_a_text_for_every_path(text: str, kind: str) -> None:
    with serving(hello=text) as live, Browser(live.endpoints[0]) as browser:
        for target in ("/", "/a/b?c", "/%00", "/../x", "//"):
            reply = browser.ask(target)
            assert (reply.status, reply.text) == (200, text)
            assert reply.fields["content-type"] == f"{kind}; charset=utf-8"
        assert browser.ask("/", "HEAD").fields["content-length"] == str(len(text.encode()))
        assert browser.ask("/", "POST", b"x").status == 405
        assert browser.is_open


# Listings


def test_a_listing(browser: Browser) -> None:
    reply = browser.ask("/")
    assert reply.fields["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.fields["content-security-policy"]
    for shown in ('href="./d/"', 'href="./a.txt"', 'href="./%FF.txt"', ">in<", "&lt;b&gt;.txt<"):
        assert shown in reply.text
    for hidden in (".git", ">out<", "fifo", "<b>", "secret"):
        assert hidden not in reply.text
    assert browser.ask("/d/e/").text.count("<li") == 1


def test_a_listing_of_very_many(tmp_path: Path) -> None:
    for number in range(10_050):
        os.mknod(tmp_path / f"{number}")
    with serving(folder=str(tmp_path)) as live:
        text = ask(live, "/").text
    assert text.count("<li") == 10_000
    assert "The folder has more; these are 10000 of them." in text


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "a").write_text("x")
    settle(site)
    with serving(folder=str(site)) as live, Browser(live.endpoints[0]) as browser:
        assert browser.ask("/a").text == "x"
        (site / "a").unlink()
        site.rmdir()
        assert browser.ask("/a").status == 404
        assert "Nothing is in this folder." in browser.ask("/").text


# What changes meanwhile


def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    """Whether or not a file was held; without a 304 for what is no more."""
    path = tmp_path / "a"
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        tags = set()
        for number in range(40):
            path.write_text(f"{number % 7}" * 5)
            if number % 2:
                os.utime(path, (number, number))
            for _ in range(2):
                reply = browser.ask("/a")
                assert reply.text == f"{number % 7}" * 5
            tags.add(reply.fields["etag"])
        assert len(tags) == 40


def test_a_sibling_that_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain")
    settle(tmp_path)
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        assert browser.ask("/a.txt", **CODINGS).text == "plain"
        (tmp_path / "a.txt.br").write_text("brotli")
        settle(tmp_path)
        assert browser.ask("/a.txt", **CODINGS).text == "brotli"
        assert browser.ask("/a.txt").text == "plain"
        (tmp_path / "a.txt.br").unlink()
        assert browser.ask("/a.txt", **CODINGS).text == "plain"


@pytest.mark.parametrize("size", [IN_MEMORY + 1, KEPT_OPEN * 8])
def test_a_file_that_shrinks_while_it_is_sent_is_cut(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the head, which says how long it is, and the body."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"")
    os.truncate(path, size)
    sendfile = os.sendfile

    def shrinking(out: int, file: int, offset: int, count: int) -> int:
        os.truncate(path, size // 2)
        return sendfile(out, file, offset, count)

    monkeypatch.setattr(os, "sendfile", shrinking)
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        with pytest.raises((IncompleteRead, ConnectionResetError, RemoteDisconnected)):
            browser.ask("/a.bin")
        assert live.await_event(RequestAnswered).size <= size // 2
        assert live.of(HandlerFailed) == []


def test_one_that_grows_has_the_length_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 100_000)
    sendfile = os.sendfile

    def growing(out: int, file: int, offset: int, count: int) -> int:
        with path.open("ab") as more:
            more.write(b"y" * 1000)
        return sendfile(out, file, offset, count)

    monkeypatch.setattr(os, "sendfile", growing)
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        assert browser.ask("/a.bin").body == b"x" * 100_000
        assert browser.is_open
        monkeypatch.undo()
        assert len(browser.ask("/a.bin").body) > 100_000


def test_one_that_is_replaced_all_the_time_is_never_mixed(tmp_path: Path) -> None:
    """Each answer is one of the files that were there, with its own length."""
    path, end = tmp_path / "a", threading.Event()
    bodies = [b"%d" % number * (40_000 if number % 2 else 100) for number in range(10)]
    path.write_bytes(bodies[0])

    def replace() -> None:
        number = 0
        while not end.is_set():
            number += 1
            (tmp_path / "new").write_bytes(bodies[number % 10])
            (tmp_path / "new").replace(path)

    thread = threading.Thread(target=replace)
    with serving(folder=str(tmp_path)) as live, Browser(live.endpoints[0]) as browser:
        thread.start()
        try:
            seen = {browser.ask("/a").body for _ in range(200)}
        finally:
            end.set()
            thread.join()
    assert seen <= set(bodies)
    assert len(seen) > 1


# Descriptors


def open_below(folder: Path) -> int:
    """How many descriptors lead into a folder: others are opened and closed by other threads."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(link.readlink()).startswith(str(folder))
    return found


def test_no_descriptor_is_left_open(folder: Path) -> None:
    with serving(folder=str(folder)) as live:

        def everything() -> None:
            with Browser(live.endpoints[0]) as browser:
                for target in [*NOWHERE, "/", "/d/", "/d", "/with/", "/a.txt", "/long.bin", "/in"]:
                    for fields in ({}, CODINGS, {"Range": "bytes=1-2"}, {"If_None_Match": "*"}):
                        browser.ask(target, **fields)
                        browser.ask(target, "HEAD", **fields)

        everything()
        until(lambda: live.server.connections == 0)
        before = open_below(folder)
        for _ in range(3):
            everything()
        until(lambda: live.server.connections == 0)
        assert open_below(folder) == before


def test_nor_by_who_goes_away_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    os.truncate(tmp_path / "a.bin", 30_000_000)
    with serving(folder=str(tmp_path)) as live:
        assert ask(live, "/none").status == 404  # which has opened the folder
        until(lambda: live.server.connections == 0)
        before = open_below(tmp_path)
        for _ in range(3):
            with live.connect() as peer:
                peer.sock.sendall(b"GET /a.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert peer.sock.recv(1000)
        live.await_events(RequestAnswered, 4)
        until(lambda: live.server.connections == 0)
        until(lambda: open_below(tmp_path) == before)


def test_without_descriptors_it_is_busy_and_recovers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: object, **kwargs: object) -> int:
        raise OSError(24, "Too many open files")

    with serving(folder=str(folder)) as live:
        with monkeypatch.context() as patched:
            patched.setattr(tree_module, "_openat2", none)
            patched.setattr(os, "open", none)
            reply = ask(live, "/a.txt")
            assert (reply.status, reply.text) == (503, "503 Service Unavailable\n")
        assert ask(live, "/a.txt").text == "alpha"


def test_a_download_goes_on_while_the_server_stops(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"")
    os.truncate(tmp_path / "a.bin", 30_000_000)
    with serving(folder=str(tmp_path)) as live, live.connect() as peer, live.connect() as idle:
        idle.sock.sendall(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.sock.recv(100).startswith(b"HTTP/1.1 404 ")
        again = b"GET /a.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
        peer.sock.sendall(again)
        read = len(peer.sock.recv(1000))
        stopped = threading.Thread(target=live.stop)
        began = time.monotonic()
        stopped.start()
        until(lambda: idle.sock.recv(1000) == b"")  # who rests is let go at once
        read += len(peer.rest())
        stopped.join()
        assert read > 30_000_000
        assert time.monotonic() - began < 4
