from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jackfield.net.folders import FileRefused, Folder
from jackfield.net.incoming import Incoming
from jackfield.services.files import rights
from jackfield.services.files.rights import Anybody, Measured, Unmeasured
from tests.live import in_loop


@contextmanager
def coming(folder: Folder, name: str) -> Iterator[Incoming]:
    """Give a file on its way."""
    incoming = Incoming(folder, [name.encode()])
    incoming.begin()
    try:
        yield incoming
    finally:
        incoming.leave()


def test_what_is_there_and_what_is_claimed_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "had").write_bytes(bytes(600))
    folder = Folder(str(tmp_path))
    room = Measured(folder, 1000, 60)
    with coming(folder, "a") as one, coming(folder, "b") as other, coming(folder, "c") as third:
        room.claim("", one, 300)
        with pytest.raises(
            FileRefused, match=r"101 bytes more are past the 1000 .* room for 100"
        ) as no:
            room.claim("", other, 101)
        assert no.value.why == "full"
        room.claim("", other, 100)
        room.claim("", other, 100)  # which is the same once more
        one.write([bytes(200)])
        monkeypatch.setattr(rights, "AGAIN", 0.0)  # it is measured each time from here on
        with pytest.raises(FileRefused, match="room for 0"):
            room.claim("", third, 1)
        room.claim("", other, 50)
        room.claim("", third, 50)


def test_what_ends_without_its_file_gives_its_room_back(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    room = Measured(folder, 1000, 60)
    with coming(folder, "a") as kept, coming(folder, "b") as dropped, coming(folder, "c") as new:
        room.claim("", kept, 500)
        room.claim("", dropped, 500)
        kept.write([bytes(100)])
        dropped.write([bytes(400)])
        dropped.restart()
        for one in (kept, dropped):
            room.release(one)
            room.release(one)
        with pytest.raises(FileRefused, match="room for 900"):
            room.claim("", new, 901)
        room.claim("", new, 900)
        room.release(new)
        room.claim("", kept, 1000)  # of which 100 are there


def test_what_has_become_a_file_keeps_its_room(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    room = Measured(folder, 1000, 60)
    with coming(folder, "a") as one, coming(folder, "b") as other:
        room.claim("", one, 600)
        one.write([bytes(600)])
        one.finish(0o644, 0, replace=False)
        room.release(one)
        with pytest.raises(FileRefused, match="room for 400"):
            room.claim("", other, 401)


def test_what_was_removed_gives_its_room_back_before_something_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "AGAIN", float("inf"))
    monkeypatch.setattr(rights, "REST", 0)
    (tmp_path / "had").write_bytes(bytes(600))
    folder = Folder(str(tmp_path))
    room = Measured(folder, 1000, 60)
    with coming(folder, "a") as one, coming(folder, "b") as other:
        room.claim("", one, 300)
        with pytest.raises(FileRefused, match="room for 100"):
            room.claim("", other, 700)
        (tmp_path / "had").unlink()
        room.claim("", other, 700)
        (tmp_path / "more").write_bytes(bytes(100))
        with pytest.raises(FileRefused, match="room for 0"):
            room.claim("", one, 301)


def test_who_is_refused_again_and_again_does_not_have_it_measured_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "REST", float("inf"))
    (tmp_path / "had").write_bytes(bytes(600))
    folder = Folder(str(tmp_path))
    room = Measured(folder, 1000, 60)
    with coming(folder, "a") as one:
        room.claim("", one, 300)
        (tmp_path / "had").unlink()
        with pytest.raises(FileRefused, match="room for 100"):
            room.claim("", one, 401)


@in_loop
async def test_by_itself_everybody_may_do_everything(tmp_path: Path) -> None:
    anybody = Anybody()
    assert await anybody.enter("token", "192.0.2.1") == ""
    await anybody.may_change("", "a")
    await anybody.changed("", "a", 1)
    with coming(Folder(str(tmp_path)), "a") as one:
        Unmeasured().claim("", one, 1 << 60)
        Unmeasured().release(one)
