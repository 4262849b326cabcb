"""A board's files over HTTP on a disk that is full: one line, nothing half, and all else stays."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.disks import disk
from tests.filed import CURL, Filed
from tests.live import PATIENCE, until
from tests.moved import parts_in

MB = 1024 * 1024
OLD = os.urandom(MB)

pytestmark = pytest.mark.skipif(not CURL, reason="there is no curl")


class Full(Filed):
    """A board whose files are on a small disk. token: of somebody, to whom `old` belongs."""

    def __init__(self, disk_folder: Path) -> None:
        self.disk = disk_folder
        super().__init__(f'folder = "{disk_folder}"')

    @property
    def ballast(self) -> Path:
        """What takes room beside the board's files."""
        return self.disk / "ballast"

    def fill(self, left: int = 0) -> None:
        """Take all room but for so many bytes, also while somebody else takes some."""
        with self.ballast.open("wb") as file:
            while (more := self.room() - left) > 0:
                with suppress(OSError):  # somebody was faster: what there is now is less
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more)

    def room(self) -> int:
        """How many bytes are free."""
        info = os.statvfs(self.disk)
        return info.f_bavail * info.f_frsize


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Full]:
    mounted = disk(tmp_path / "disk", 8 * MB, stays_open=True)
    with mounted as mount, Full(mount.folder) as here:
        yield here


@pytest.fixture
def mei(here: Full) -> str:
    token = here.token("Mei")
    assert here.http("PUT", "old", OLD, token).status == 201
    return token


def is_as_before(here: Full, token: str) -> None:
    """See that nothing has changed, and that a file can be put once there is room."""
    until(lambda: parts_in(here.disk) == [])
    assert sorted(path.name for path in here.disk.iterdir()) == ["ballast", "old"]
    assert (here.disk / "old").read_bytes() == OLD
    assert here.http("GET", "old", token=token).body == OLD
    assert here.http("GET", "new", token=token).status == 404
    here.ballast.unlink()
    assert [one["name"] for one in here.list(token)["files"]] == ["old"]
    assert here.http("PUT", "new", OLD[::-1], token).status == 201
    assert (here.disk / "new").read_bytes() == OLD[::-1]


@pytest.mark.some(2)
@pytest.mark.parametrize("name", ["new", "old?replace"])
@pytest.mark.parametrize("size", [10, 3 * MB])
@pytest.mark.parametrize("how", [[], ["-H", "Transfer-Encoding: chunked"]])
def test_what_has_no_room_is_refused(
    how: list[str], size: int, name: str, here: Full, mei: str
) -> None:
    """Also where it is not announced how much it is."""
    file = here.disk.parent / "file"
    file.write_bytes(bytes(size))
    here.fill(left=MB if size > MB else 0)
    said = here.curl("-T", str(file), *how, name=name, token=mei)
    assert said.status == 507, said
    assert said.body.startswith(b"there is no room on the disk")
    assert said.body.count(b"\n") == 1
    assert "x-why: full\r\n" in said.heads.lower()
    is_as_before(here, mei)


@pytest.mark.parametrize("name", ["new", "old?replace"])
def test_a_disk_that_others_fill_meanwhile(name: str, here: Full, mei: str) -> None:
    """There was room when it was asked for."""
    head = f"PUT /files/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {mei}\r\n"
    with closing(socket.create_connection(("127.0.0.1", here.ports["page"]), PATIENCE)) as conn:
        conn.sendall(f"{head}Content-Length: {5 * MB}\r\n\r\n".encode() + bytes(MB))
        until(lambda: any(part.stat().st_size for part in parts_in(here.disk)))
        here.fill()
        with suppress(ConnectionError):  # it need not take all of what it has refused
            conn.sendall(bytes(4 * MB))
        answer = b""
        while data := conn.recv(65536):
            answer += data
            if b"\r\n\r\n" in answer and answer.endswith(b"\n"):
                break
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 507 ")
    assert body == "there is no room on the disk (ENOSPC)\n"
    is_as_before(here, mei)
