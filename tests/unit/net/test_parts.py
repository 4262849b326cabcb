from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from jackfield.errors import LocalError
from jackfield.net.parts import Part


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(str(tmp_path / "file"))


def test_it_gets_its_name_in_the_end(part: Part) -> None:
    part.begin()
    part.write(b"one ")
    part.write(b"two")
    part.note("note")
    assert part.size == 7
    assert not Path(part.path).exists()
    part.finish()
    assert Path(part.path).read_bytes() == b"one two"
    assert os.listdir(Path(part.path).parent) == ["file"]  # noqa: PTH208  names are all


def test_it_is_gone_on_with(part: Part) -> None:
    part.begin()
    part.write(b"one ")
    part.note("note")
    part.leave()
    again = Part(part.path)
    again.begin()
    assert (again.size, again.noted()) == (4, "note")
    again.write(b"two")
    digest = hashlib.sha256()
    again.hash_into(digest)
    assert digest.digest() == hashlib.sha256(b"one two").digest()
    again.finish()
    assert Path(part.path).read_bytes() == b"one two"


def test_it_begins_anew(part: Part) -> None:
    part.begin()
    part.write(b"one")
    part.note("note")
    part.restart()
    assert (part.size, part.noted()) == (0, "")
    part.write(b"2")
    part.finish()
    assert Path(part.path).read_bytes() == b"2"


def test_an_empty_one_is_not_left_behind(part: Part) -> None:
    part.begin()
    part.leave()
    part.leave()
    assert not Path(part.part).exists()


def test_the_file_itself_is_taken_over(part: Part) -> None:
    Path(part.path).write_bytes(b"half")
    part.begin()
    assert part.existing() == 4
    part.take_over()
    assert part.size == 4
    assert not Path(part.path).exists()
    part.write(b" and half")
    part.finish()
    assert Path(part.path).read_bytes() == b"half and half"


def test_another_cannot_write_it_meanwhile(part: Part) -> None:
    part.begin()
    with pytest.raises(LocalError, match="another process is writing it"):
        Part(part.path).begin()
    part.discard()
    assert not Path(part.part).exists()
    again = Part(part.path)
    again.begin()
    again.leave()


def test_a_fifo_is_written_as_it_is(part: Part) -> None:
    os.mkfifo(part.path)
    reader = os.open(part.path, os.O_RDONLY | os.O_NONBLOCK)
    pipe = Part(part.path)
    assert not pipe.is_plain
    assert pipe.existing() == 0
    pipe.begin()
    pipe.write(b"through")
    pipe.restart()
    pipe.finish()
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert not Path(part.part).exists()


def test_what_the_system_says_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"nowhere/file\.part: No such file or directory"):
        Part(str(tmp_path / "nowhere" / "file")).begin()
    with pytest.raises(LocalError, match="is a folder"):
        Part(str(tmp_path))
    long = Part(str(tmp_path / ("x" * 252)))
    with pytest.raises(LocalError, match="ENAMETOOLONG"):
        long.begin()


def test_one_that_is_put_in_its_place_meanwhile_is_not_spoilt(
    part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening it and locking it, another process may be done with it."""
    part.begin()
    part.write(b"whole")
    late = Part(part.path)
    lock = fcntl.flock

    def finish_first(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        part.finish()
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    late.begin()
    late.restart()
    late.write(b"late")
    assert Path(part.path).read_bytes() == b"whole"
    late.finish()
    assert Path(part.path).read_bytes() == b"late"
