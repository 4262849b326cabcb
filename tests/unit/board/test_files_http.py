"""A board's files over plain HTTP: by curl, and by requests that curl would not send."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.events import RequestAnswered
from tests.filed import CURL, Filed, filed
from tests.live import until

pytestmark = pytest.mark.skipif(not CURL, reason="there is no curl on this machine")

DATA = os.urandom(700_001)
KIB = 1024


@pytest.fixture(scope="module")
def here() -> Iterator[Filed]:
    with filed() as made:
        yield made


@pytest.fixture(scope="module")
def mei(here: Filed) -> str:
    """A member's token."""
    return here.token("Mei")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(DATA)
    return path


def test_a_file_goes_up_by_curl_and_comes_back(here: Filed, mei: str, source: Path) -> None:
    up = here.curl("-T", str(source), token=mei)  # which adds its name to the address
    assert up.status == 201
    assert "Location: /files/source.bin" in up.heads
    assert json.loads(up.body)["size"] == len(DATA)
    down = here.curl(name="source.bin", token=mei)
    assert down.body == DATA
    for line in (
        "Content-Type: application/octet-stream",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'none'; sandbox",
        "Content-Disposition: attachment; filename=\"source.bin\"; filename*=UTF-8''source.bin",
        "Cross-Origin-Resource-Policy: same-origin",
    ):
        assert line in down.heads
    again = here.curl("-T", str(source), token=mei)
    assert again.status == 204  # it is there already, and nothing was changed
    other = here.curl("-T", "-", "-H", "Content-Type: text/html", name="source.bin", token=mei)
    assert other.status == 409
    assert other.body == b"there is another file of that name; ?replace replaces it\n"
    assert (here.folder / "source.bin").read_bytes() == DATA


def test_parts_of_a_file(here: Filed, mei: str, source: Path) -> None:
    here.curl("-T", str(source), name="ranged", token=mei)
    head = here.curl("-I", name="ranged", token=mei)
    tag = next(line for line in head.heads.splitlines() if line.startswith("ETag: "))[6:]
    assert f"Content-Length: {len(DATA)}" in head.heads
    assert head.body == b""
    for wanted, part in (("0-9", DATA[:10]), ("700000-", DATA[-1:]), ("-5", DATA[-5:])):
        found = here.curl("-r", wanted, name="ranged", token=mei)
        assert (found.status, found.body) == (206, part)
    beyond = here.curl("-r", "700001-", name="ranged", token=mei)
    assert beyond.status == 416
    assert f"Content-Range: bytes */{len(DATA)}" in beyond.heads
    same = here.curl("-r", "0-9", "-H", f"If-Range: {tag}", name="ranged", token=mei)
    assert same.body == DATA[:10]
    changed = here.curl("-r", "0-9", "-H", 'If-Range: "x"', name="ranged", token=mei)
    assert (changed.status, changed.body) == (200, DATA)
    known = here.curl("-H", f"If-None-Match: {tag}", name="ranged", token=mei)
    assert (known.status, known.body) == (304, b"")


def test_the_list_is_paged(here: Filed, mei: str) -> None:
    for name in ("list-a", "list-b", "list-c", "l%C3%A4rm 中文"):
        assert here.http("PUT", quote(name, safe="%"), b"x", mei).status == 201
    found = here.list(mei, "&after=list&most=2")
    assert [one["name"] for one in found["files"]] == ["list-a", "list-b"]
    assert found["more"]
    rest = here.list(mei, "&after=list-b")["files"]
    assert [one["name"] for one in rest][:2] == ["list-c", "lärm 中文"]
    accepted = here.curl("-H", "Accept: application/json", token=mei)
    assert "Content-Type: application/json" in accepted.heads
    for most in ("0", "-1", "x", "9" * 12):
        assert here.list(mei, f"&most={most}")["files"]
    assert b" list-a\n" in here.curl(token=mei).body  # for people
    for name in ("list-a", "list-b", "list-c"):
        assert here.http("DELETE", name, token=mei).status == 204


@pytest.mark.parametrize(
    "name",
    [
        *("..%2Fx", "../x", "a/../../x", ".", "..", "a//b", "%2e%2e/x", "a%00b", "%ff", "%zz"),
        *(".jackfield-part-0", "a/.jackfield-x", "x" * 256, "/".join("a" * 200), "..%5cx/../y"),
        *("%2Fetc%2Fpasswd", "a" * 4097, ""),
    ],
)
def test_no_name_leads_anywhere_else(here: Filed, mei: str, name: str) -> None:
    before = sorted(here.folder.parent.rglob("*"))
    reply = here.http("PUT", name, b"x", mei)
    assert reply.status in {400, 404}
    assert reply.text.count("\n") == 1
    assert "Traceback" not in reply.text
    assert here.http("DELETE", name, token=mei).status in {400, 404}
    if name:
        assert here.http("GET", name, token=mei).status in {400, 404}
    assert sorted(here.folder.parent.rglob("*")) == before


@settings(max_examples=60)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_name_is_the_same_in_the_folder_or_refused(here: Filed, mei: str, name: str) -> None:
    reply = here.http("PUT", quote(name, safe=""), b"x", mei)
    assert reply.status in {201, 204, 400}, reply.text
    is_file = "/" not in name and name not in {".", ".."} and "\0" not in name
    assert (reply.status != 400) == (is_file and len(name.encode()) < 256)
    if reply.status != 400:
        assert (here.folder / name).read_bytes() == b"x"
        got = here.http("GET", quote(name, safe=""), token=mei)
        said = got.fields["content-disposition"]
        assert said.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
        assert said.isascii()
        assert here.http("DELETE", quote(name, safe=""), token=mei).status == 204


def test_links_and_devices_are_nothing(here: Filed, mei: str) -> None:
    (here.folder.parent / "secret").write_text("secret")
    (here.folder / "link").symlink_to("../secret")
    (here.folder / "out").symlink_to("..")
    os.mkfifo(here.folder / "fifo")
    for name in ("link", "out/secret", "out", "fifo"):
        assert here.http("GET", name, token=mei).status in {400, 404}
        assert here.http("PUT", f"{name}?replace", b"x", mei).status in {400, 403, 404, 409}
    assert (here.folder.parent / "secret").read_text() == "secret"
    assert not {"link", "out", "fifo"} & {one["name"] for one in here.list(mei)["files"]}


def expecting(here: Filed, token: str, name: str, length: int, **more: str) -> tuple[bytes, int]:
    """Offer a file, and wait for leave to send it; give what is said, and the status."""
    with closing(socket.create_connection(("127.0.0.1", here.ports["page"]), 60)) as conn:
        fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}"} | more
        fields |= {"Content-Length": str(length), "Expect": "100-continue"}
        lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        conn.sendall(f"PUT /files/{name} HTTP/1.1\r\n{lines}\r\n".encode())
        said = conn.recv(65536)
        return said, int(said.split()[1])


def test_what_cannot_be_taken_is_refused_before_it_is_sent() -> None:
    with filed('quota = "1M", max_file = "512K"') as here:
        mei, olu = here.token("Mei"), here.token("Olu")
        assert expecting(here, mei, "x", 1000)[1] == 100
        assert expecting(here, mei, "x", 513 * KIB)[1] == 413
        assert expecting(here, mei, "..%2Fx", 10)[1] == 400
        assert expecting(here, "wrong", "x", 10)[1] == 401
        assert here.http("PUT", "taken", b"x" * 500 * KIB, mei).status == 201
        assert here.http("PUT", "more", b"x" * 400 * KIB, mei).status == 201
        assert expecting(here, olu, "taken", 10)[1] == 409
        assert expecting(here, olu, "taken?replace", 10)[1] == 403
        assert expecting(here, mei, "third", 400 * KIB)[1] == 507
        until(lambda: here.names() == ["more", "taken"])


@pytest.mark.parametrize(
    ("options", "status"), [('max_file = "9K"', 413), ('quota = "9K", max_file = "1M"', 507)]
)
def test_what_was_not_announced_is_refused_on_the_way(options: str, status: int) -> None:
    with filed(options) as here:
        fields = {"Authorization": f"Bearer {here.token('Mei')}"}
        pieces = [b"x" * KIB] * 20
        with closing(HTTPConnection("127.0.0.1", here.ports["page"], timeout=60)) as conn:
            conn.request("PUT", "/files/x", iter(pieces[:5]), fields, encode_chunked=True)
            assert conn.getresponse().status == 201
        with closing(HTTPConnection("127.0.0.1", here.ports["page"], timeout=60)) as conn:
            conn.request("PUT", "/files/y", iter(pieces), fields, encode_chunked=True)
            assert conn.getresponse().status == status
        until(lambda: here.names() == ["x"])


def test_each_refusal_is_one_line_and_one_event(here: Filed, mei: str) -> None:
    def told() -> list[tuple[int, str | None]]:
        events = here.of(RequestAnswered)
        return [(one.status, one.user) for one in events if one.target == "/files/nothing"]

    reply = here.http("GET", "nothing", token=mei)
    assert (reply.status, reply.text) == (404, "there is no such file\n")
    until(told)
    assert told() == [(404, "Mei")]


def test_a_digest_that_is_said_has_to_be_right(here: Filed, mei: str) -> None:
    sha = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    reply = here.http("PUT", "said", DATA, mei, Repr_Digest=f"sha-256=:{wrong}:")
    assert (reply.status, reply.text.count("\n")) == (422, 1)
    assert "said" not in here.names()
    for broken in ("sha-256", "sha-256=:*:", "x" * 2000, "sha-256=:a:"):
        assert here.http("PUT", "said", DATA, mei, Repr_Digest=broken).status == 400
    reply = here.http("PUT", "said", DATA, mei, Repr_Digest=f"md5=:AAAA:, sha-256=:{sha}:")
    assert reply.status == 201


def test_what_is_not_kept_takes_no_room() -> None:
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    with filed('quota = "1M"') as here:
        mei, data = here.token("Mei"), b"x" * 600 * KIB
        reply = here.http("PUT", "said", data, mei, Repr_Digest=f"sha-256=:{wrong}:")
        assert reply.status == 422
        assert here.http("PUT", "said", data, mei).status == 201
        assert here.http("PUT", "more", data, mei).status == 507


def test_what_ends_early_leaves_nothing(here: Filed, mei: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", here.ports["page"]), 60)) as conn:
        head = f"PUT /files/half HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {mei}\r\n"
        conn.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"x" * 500_000)
        until(lambda: any(name.startswith(".jackfield-part") for name in here.names()))
        assert here.http("PUT", "half", b"other", mei).status == 409  # somebody writes it
    until(lambda: not any(name.startswith(".jackfield-part") for name in here.names()))
    assert "half" not in here.names()
    assert here.http("PUT", "half", b"whole", mei, Content_Range="bytes 0-4/9").status == 400
    assert here.http("PUT", "half", b"whole", mei).status == 201
    assert (here.folder / "half").read_bytes() == b"whole"


def test_no_other_site_puts_or_removes_anything(here: Filed) -> None:
    cookie = here.invited("Olu", "member")
    assert here.http("PUT", "own", b"x", Cookie=cookie, Origin=here.origin).status == 201
    for fields in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": here.origin, "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        for method in ("PUT", "DELETE"):
            reply = here.http(method, "own?replace", b"y", Cookie=cookie, **fields)
            assert reply.status == 403
    assert (here.folder / "own").read_bytes() == b"x"
    reply = here.http("OPTIONS", "own", Origin="https://evil.example")
    assert not any(name.startswith("access-control") for name in reply.fields)
    for method in ("POST", "PATCH", "PROPFIND"):
        assert here.http(method, "own", b"y", Cookie=cookie).status == 405


def test_files_that_are_served_to_be_read_alone() -> None:
    with filed("read_only = true") as here:
        (here.folder / "x").write_bytes(b"x")
        mei, ops = here.token("Mei"), here.token("Priya", "operator")
        for token in (mei, ops):
            assert here.http("GET", "x", token=token).body == b"x"
            assert here.http("PUT", "y", b"y", token).status == 403
            assert here.http("DELETE", "x", token=token).status == 403
    with filed("no_remove = true") as here:
        ops = here.token("Priya", "operator")
        assert here.http("PUT", "x", b"x", ops).status == 201
        reply = here.http("PUT", "x?replace", b"yy", ops)
        assert (reply.status, "nothing is replaced" in reply.text) == (409, True)
        assert here.http("DELETE", "x", token=ops).status == 403
        assert here.names() == ["x"]
