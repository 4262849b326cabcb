from __future__ import annotations

import pytest

from jackfield.services.talk import wire

ID = "0123456789abcdef"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"\x01",
        b"\x01hello",
        b"\x01" + ID.encode() + b" L 1",
        b"\x01" + ID.encode() + b" X 1 0",
        b"\x01" + ID.encode() + b" A 0 9999999999999",
        b"\x01" + ID.upper().encode() + b" A 0 0",
        b"[jackfield-talk/2 " + ID.encode() + b"] Ann is here",
        b"[jackfield-talk/1 short] Ann is here",
        b"[jackfield-talk/1 " + ID.encode() + b"]  is here"[:8],
        b"[jackfield-talk/1 busy] ",
        b" [jackfield-talk/1 busy] Ann",
        b"[JACKFIELD-TALK/1 " + ID.encode() + b"] ANN IS HERE",
    ],
)
def test_what_is_no_frame_and_no_hello_is_text(line: bytes) -> None:
    assert wire.read(line, "utf-8") is None


@pytest.mark.parametrize("text", ["", "hello", " ", "世界", "a \x01 b", "ends with CR\r"])
def test_a_line_comes_out_as_it_went_in(text: str) -> None:
    frame = wire.Frame(ID, wire.LINE, 7, 3, text)
    line = bytes(frame)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert wire.read(line[:-1], "gbk") == frame


def test_other_frames_carry_no_text() -> None:
    for kind in (wire.BYE, wire.ACK, wire.ASK, wire.UNKNOWN):
        frame = wire.Frame(ID, kind, 1, 2)
        assert wire.read(bytes(frame).rstrip(b"\n"), "utf-8") == frame


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_hello_can_be_read_by_people_and_by_talks(encoding: str) -> None:
    line = wire.hello(ID, "张 三", encoding)
    assert line.decode(encoding) == f"[jackfield-talk/1 {ID}] 张 三 is here\n"
    assert wire.read(line[:-1], "gbk") == wire.Hello(ID, "张 三")


def test_a_name_in_another_encoding_is_readable_enough() -> None:
    line = wire.hello(ID, "张", "gbk")
    found = wire.read(line[:-1], "utf-8")
    assert found == wire.Hello(ID, "\\xd5\\xc5")


def test_busy_is_a_sentence() -> None:
    line = wire.busy("Ann", "utf-8")
    assert wire.read(line[:-1], "utf-8") == wire.Busy(
        "Ann is talking with somebody else; try again later"
    )


def test_identities_differ() -> None:
    assert len({wire.new_identity() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("start", "may"),
    [
        (b"\x01", True),
        (b"[", True),
        (b"[jackfield-talk/1 01", True),
        (b"[jackfield-talk/1", True),
        (b"[x", False),
        (b"hello", False),
    ],
)
def test_half_a_frame_or_hello_is_told_from_half_a_line(start: bytes, may: bool) -> None:
    assert wire.may_become_one(start) is may
