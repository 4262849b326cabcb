from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import (
    ChecksumMismatch,
    ConfigurationError,
    FetchError,
    HTTPStatusError,
    LocalError,
    ResponseCut,
)
from jackfield.fetching import resuming
from jackfield.fetching.saving import ALGORITHMS, Saved, checksum, download
from tests.live import in_loop
from tests.scripted import Scripted, ok

BODY = os.urandom(200_000)
ETAG = 'ETag: "one"'
SHA256 = checksum(f"sha256:{hashlib.sha256(BODY).hexdigest()}")


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "FIRST_PAUSE", 0.01)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def names(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir())


def part(first: int, *lines: str, body: bytes = BODY) -> bytes:
    where = f"Content-Range: bytes {first}-{len(body) - 1}/{len(body)}"
    return ok(body[first:], where, *lines, status="206 Partial Content")


CUT = ok(BODY[:70_000], ETAG, length=len(BODY))


def leave_a_part(file: Path, answer: bytes = CUT) -> str:
    """Have a download cut; give the URL it was of, with the port left open."""
    with Scripted([answer]) as server, pytest.raises(ResponseCut):
        download(f"{server.url}/x", str(file), retries=0).get()
    return server.url


def go_on(file: Path, answers: list[Any], **options: Any) -> tuple[Saved, Scripted, list[str]]:
    """Have a download cut, and gone on with from the same URL by these answers."""
    notes: list[str] = []
    with Scripted([CUT], answers) as server:
        with pytest.raises(ResponseCut):
            download(f"{server.url}/x", str(file), retries=0).get()
        assert names(file) == ["file.part", "file.part.json"]
        saved = download(
            f"{server.url}/x", str(file), resume=True, on_note=notes.append, **options
        ).get()
    return saved, server, notes


def check_whole(file: Path) -> None:
    assert file.read_bytes() == BODY
    assert names(file) == ["file"]


@in_loop
async def test_a_file_is_there_when_all_of_it_is(file: Path) -> None:
    done: list[tuple[int, int | None]] = []
    with Scripted([ok(BODY, ETAG)]) as server:
        saved = await download(
            server.url, str(file), expected=SHA256, progress=lambda *now: done.append(now)
        )
        assert server.asked[0].fields["accept-encoding"] == "identity"
    check_whole(file)
    assert (saved.size, saved.resumed_at, saved.response.status) == (len(BODY), 0, 200)
    assert done[0] == (0, len(BODY))
    assert done[-1] == (len(BODY), len(BODY))


def test_what_was_there_stays_until_then(file: Path) -> None:
    file.write_bytes(b"old")
    url = leave_a_part(file)
    assert url
    assert file.read_bytes() == b"old"
    assert (file.parent / "file.part").read_bytes() == BODY[:70_000]


def test_a_cut_is_gone_on_with_in_the_same_run(file: Path) -> None:
    with Scripted([CUT], [part(70_000, ETAG)]) as server:
        download(server.url, str(file), expected=SHA256).get()
    assert file.read_bytes() == BODY
    assert names(file) == ["file"]


def test_a_source_that_changes_meanwhile_is_fetched_anew(file: Path) -> None:
    with Scripted([ok(b"x" * 90_000, 'ETag: "old"', length=99_999)], [ok(BODY, ETAG)]) as server:
        download(server.url, str(file), expected=SHA256).get()
    assert file.read_bytes() == BODY


def test_a_later_run_goes_on(file: Path) -> None:
    saved, server, notes = go_on(file, [part(70_000, ETAG)], expected=SHA256)
    assert file.read_bytes() == BODY
    assert names(file) == ["file"]
    assert (saved.size, saved.resumed_at, notes) == (len(BODY), 70_000, [])
    assert server.asked[1].fields["range"] == "bytes=70000-"
    assert server.asked[1].fields["if-range"] == '"one"'


def test_a_later_run_begins_anew_when_the_source_has_changed(file: Path) -> None:
    _, _, notes = go_on(file, [ok(b"new", 'ETag: "two"')])
    assert file.read_bytes() == b"new"
    assert notes == ["the source has changed, or cannot be gone on with; it is fetched anew"]


@pytest.mark.parametrize("total", ["*/100", "*/x", ""])
def test_a_later_run_begins_anew_when_the_source_is_shorter_now(file: Path, total: str) -> None:
    past = ok(b"", f"Content-Range: bytes {total}", status="416 Range Not Satisfiable")
    _, _, notes = go_on(file, [past, ok(b"new")])
    assert file.read_bytes() == b"new"
    assert notes == ["the source is shorter than what is here; it is fetched anew"]


def test_a_part_that_was_not_asked_for_is_an_error_and_spoils_nothing(file: Path) -> None:
    with pytest.raises(FetchError, match="another part than the one asked for"):
        go_on(file, [part(60_000, ETAG)])
    assert (file.parent / "file.part").read_bytes() == BODY[:70_000]


def test_an_error_of_the_server_spoils_nothing(file: Path) -> None:
    with pytest.raises(HTTPStatusError, match="500"):
        go_on(file, [ok(b"oops", status="500 Internal Server Error")])
    assert (file.parent / "file.part").read_bytes() == BODY[:70_000]


def test_a_part_of_another_url_is_not_gone_on_with(file: Path) -> None:
    leave_a_part(file)
    notes: list[str] = []
    with Scripted([ok(b"new")]) as server:
        download(f"{server.url}/y", str(file), resume=True, on_note=notes.append).get()
        assert "range" not in server.asked[0].fields
    assert file.read_bytes() == b"new"
    assert notes == ["nothing tells whether the source is still the same"]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"validator": 3, "source": "x"}', "\xff"])
def test_a_spoilt_note_is_as_none(file: Path, note: str) -> None:
    leave_a_part(file)
    (file.parent / "file.part.json").write_text(note, "latin-1")
    with Scripted([ok(b"new")]) as server:
        download(server.url, str(file), resume=True).get()
    assert file.read_bytes() == b"new"


def test_the_note_tells_no_secret_of_the_url(file: Path) -> None:
    with Scripted([CUT]) as server, pytest.raises(ResponseCut):
        download(f"{server.url}/?key=secret", str(file), retries=0).get()
    note = (file.parent / "file.part.json").read_text()
    assert "secret" not in note
    assert json.loads(note)["validator"] == '"one"'


def test_a_file_of_another_program_is_gone_on_with(file: Path) -> None:
    file.write_bytes(BODY[:1000])
    notes: list[str] = []
    with Scripted([part(1000, ETAG)]) as server:
        saved = download(
            server.url, str(file), resume=True, expected=SHA256, on_note=notes.append
        ).get()
        assert "if-range" not in server.asked[0].fields
    assert file.read_bytes() == BODY
    assert saved.resumed_at == 1000
    assert "nothing tells whether the source is the same" in notes[0]


def test_a_file_that_is_whole_stays_as_it_is(file: Path) -> None:
    file.write_bytes(BODY)
    past = ok(b"", f"Content-Range: bytes */{len(BODY)}", status="416 Range Not Satisfiable")
    with Scripted([past]) as server:
        saved = download(server.url, str(file), resume=True, expected=SHA256).get()
    assert (saved.size, saved.resumed_at) == (len(BODY), len(BODY))
    assert file.read_bytes() == BODY
    assert names(file) == ["file"]


def test_nothing_to_go_on_with_is_a_beginning(file: Path) -> None:
    with Scripted([ok(BODY)]) as server:
        download(server.url, str(file), resume=True).get()
    assert file.read_bytes() == BODY


def test_a_wrong_checksum_leaves_nothing(file: Path) -> None:
    file.write_bytes(b"old")
    wrong = checksum("sha256:" + "0" * 64)
    with Scripted([ok(BODY, ETAG)]) as server, pytest.raises(ChecksumMismatch) as caught:
        download(server.url, str(file), expected=wrong).get()
    assert f"its sha256 is {SHA256.value}, and {wrong.value} was expected" in str(caught.value)
    assert file.read_bytes() == b"old"
    assert names(file) == ["file"]


def test_an_error_of_the_server_is_no_file(file: Path) -> None:
    with (
        Scripted([ok(b"no such thing", status="404 Not Found")]) as server,
        pytest.raises(HTTPStatusError, match="404 Not Found"),
    ):
        download(server.url, str(file)).get()
    assert names(file) == []


def test_what_is_decoded_can_be_saved_and_not_gone_on_with(file: Path) -> None:
    with Scripted([ok(gzip.compress(BODY), ETAG, "Content-Encoding: gzip")]) as server:
        download(server.url, str(file), decode=True).get()
    assert file.read_bytes() == BODY
    with pytest.raises(ConfigurationError, match="cannot be gone on with"):
        download("http://127.0.0.1:1/", str(file), decode=True, resume=True)


def test_two_do_not_write_one_file(file: Path) -> None:
    with (file.parent / "file.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LocalError, match="another process is writing it"):
            download("http://127.0.0.1:1/", str(file)).get()


def test_a_disk_that_is_full_is_one_line() -> None:
    with Scripted([ok(BODY)]) as server, pytest.raises(LocalError) as caught:
        download(server.url, "/dev/full").get()
    assert str(caught.value) == "/dev/full: No space left on device (ENOSPC)"


def test_a_device_is_written_as_it_is() -> None:
    with Scripted([ok(BODY)]) as server:
        assert download(server.url, "/dev/null").get().size == len(BODY)
    assert not Path("/dev/null.part").exists()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/nowhere/at/all", "/nowhere/at/all.part: No such file or directory (ENOENT)"),
        ("/tmp", "/tmp: is a folder"),
        ("a\0b", "embedded null"),
    ],
)
def test_a_place_where_no_file_can_be_is_one_line(path: str, says: str) -> None:
    with pytest.raises(LocalError) as caught:
        download("http://127.0.0.1:1/", path).get()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:12",
        "crc:00",
        "sha256:" + "g" * 64,
        "shake_128:00",
        ":" * 99,
    ],
)
def test_a_checksum_is_checked_when_it_is_read(text: str) -> None:
    with pytest.raises(ConfigurationError):
        checksum(text)


@pytest.mark.parametrize("name", [*ALGORITHMS, "sha1", "md5", "SHA-256"])
def test_checksums_of_many_kinds(name: str) -> None:
    found = hashlib.new(name.lower().replace("-", ""), BODY).hexdigest()
    one = checksum(f"{name}:{found.upper()}")
    digest = one.start()
    digest.update(BODY)
    one.check("url", digest)


@pytest.mark.parametrize("status", ["304 Not Modified", "300 Multiple Choices", "302 Found"])
def test_an_answer_that_is_no_body_does_not_replace_what_is_there(file: Path, status: str) -> None:
    file.write_bytes(b"old")
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with Scripted([answer]) as server, pytest.raises(HTTPStatusError, match="nothing to save"):
        download(server.url, str(file), headers={"If-None-Match": '"one"'}).get()
    assert file.read_bytes() == b"old"
    assert names(file) == ["file"]


def test_a_part_that_was_asked_for_is_saved_and_not_gone_on_with(file: Path) -> None:
    answer = ok(b"abc", "Content-Range: bytes 3-9/20", ETAG, length=7, status="206 Partial Content")
    headers = {"Range": "bytes=3-9"}
    with Scripted([answer]) as server, pytest.raises(ResponseCut):
        download(server.url, str(file), headers=headers, retries=0).get()
    assert names(file) == ["file.part"]


def test_a_part_nobody_asked_for_is_no_file(file: Path) -> None:
    with Scripted([part(1000, ETAG)]) as server, pytest.raises(FetchError, match="sends a part"):
        download(server.url, str(file)).get()
    assert names(file) == []
