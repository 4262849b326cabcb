from __future__ import annotations

import pickle
import struct
import zlib
from typing import Any

import pytest
from websockets.speedups import apply_mask

from jackfield import framing
from jackfield.errors import (
    BadMessage,
    ConfigurationError,
    LocalProtocolError,
    MessageTooLong,
    RemoteProtocolError,
)
from jackfield.framing import websocket
from jackfield.framing.base import Framing
from jackfield.framing.websocket import PONGS, WebSocket, WebSocketDecoder

MASK = b"\x01\x02\x03\x04"

TEXT, BINARY, CONT, PING, PONG, CLOSE = 1, 2, 0, 9, 10, 8


def sent(first: int, payload: bytes = b"", *, mask: bool = True, size: int | None = None) -> bytes:
    """Make a frame of nothing but this."""
    size = len(payload) if size is None else size
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (MASK + apply_mask(payload, MASK) if mask else payload)


def whole(opcode: int, payload: bytes = b"") -> bytes:
    return sent(0x80 | opcode, payload)


def deflated(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return (made.compress(data) + made.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def server(inner: Framing[Any] | None = None, deflate: int = 0) -> WebSocketDecoder[Any]:
    return WebSocket(inner or framing.raw(1000), "server", deflate=deflate).decoder()


def error_of(data: bytes, inner: Framing[Any] | None = None, deflate: int = 0) -> Exception:
    """Feed it whole, and byte by byte; the error is the same."""
    decoder, by_byte = server(inner, deflate), server(inner, deflate)
    assert decoder.feed(data) == []
    for byte in data:
        assert by_byte.feed(bytes([byte])) == []
    error = decoder.error
    assert error is not None
    assert (type(by_byte.error), str(by_byte.error)) == (type(error), str(error))
    assert decoder.attention
    assert decoder.feed(whole(BINARY, b"more")) == []
    return error


def code_of(close: bytes) -> int:
    """Read the code of a Close frame of a server."""
    assert close[0] == 0x88
    assert close[1] == len(close) - 2 < 126
    return int.from_bytes(close[2:4], "big")


# What breaks the rules


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (sent(0x82, b"a", mask=False), "a frame is not masked, as a client's must be"),
        (sent(0xA2, b"a"), "a frame with a reserved bit that nobody has agreed on"),
        (sent(0x92, b"a"), "a frame with a reserved bit that nobody has agreed on"),
        (sent(0xC2, b"a"), "a frame with a reserved bit that nobody has agreed on"),
        (sent(0x83, b"a"), "a frame of the unknown kind 3"),
        (sent(0x8F), "a control frame of the unknown kind 15"),
        (sent(0x09, b"a"), "a control frame in fragments, compressed, or of more than 125 bytes"),
        (sent(0x89, bytes(126)), "a control frame in fragments, compressed, or of more than 125"),
        (sent(0x80, b"a"), "a fragment that continues no message"),
        (sent(0x02, b"a") + whole(BINARY), "a message begins before the last fragment of another"),
        (whole(CLOSE, b"\x03"), "a Close frame whose code is none"),
        (whole(CLOSE, b"\x03\xed"), "a Close frame whose code is none"),  # 1005
        (whole(CLOSE, b"\x13\x88"), "a Close frame whose code is none"),  # 5000
    ],
)
def test_a_frame_that_breaks_the_protocol(data: bytes, what: str) -> None:
    error = error_of(data)
    assert type(error) is RemoteProtocolError
    assert what in str(error)


def test_a_masked_frame_of_a_server_breaks_it_too() -> None:
    decoder = WebSocket(framing.raw(), "client").decoder()
    assert decoder.feed(whole(BINARY, b"a")) == []
    assert str(decoder.error) == "a frame is masked, as no server's must be"


@pytest.mark.parametrize(
    "data",
    [
        whole(TEXT, b"\xff"),
        whole(TEXT, b"\xe4\xbd"),
        sent(0x01, b"\xe4\xbd") + sent(0x00, b"\xa0") + sent(0x80, b"\xe5"),
        sent(0x01, b"\xe4") + sent(0x00, b"a"),  # told before the last fragment
        whole(CLOSE, b"\x03\xe8\xff"),
    ],
)
@pytest.mark.parametrize("inner", [framing.raw(), framing.text_or_binary()], ids=["raw", "marked"])
def test_text_that_is_not_utf8(inner: Framing[Any], data: bytes) -> None:
    assert isinstance(error_of(data, inner), BadMessage)


def test_text_that_is_not_utf8_for_a_framing_of_text() -> None:
    assert isinstance(error_of(whole(TEXT, b"\xff"), framing.lines()), BadMessage)
    assert isinstance(error_of(whole(BINARY, b"\xff"), framing.lines()), BadMessage)


@pytest.mark.parametrize(
    "data",
    [
        whole(BINARY, bytes(1003)),
        sent(0x82, b"", size=1 << 62),  # told from its head alone
        sent(0x02, bytes(1000)) + sent(0x80, bytes(3)),
        sent(0x02) + sent(0x00) * 3000,
        sent(0xC2, deflated(bytes(1003))),
        sent(0xC2, deflated(bytes(100_000_000))),
        sent(0x42, deflated(bytes(500))[:-2]) + sent(0x80, b"\x00" * 5000),
        sent(0xC2, b"", size=5000),
    ],
)
def test_a_message_past_the_bound(data: bytes) -> None:
    assert isinstance(error_of(data, deflate=12), MessageTooLong)


def test_a_message_that_cannot_be_decompressed() -> None:
    for data in (sent(0xC2, b"\xff\xff\xff"), sent(0x42, b"\xff\xff") + sent(0x80, b"\xff")):
        error = error_of(data, deflate=12)
        assert (type(error), str(error)) == (
            RemoteProtocolError,
            "a message that cannot be decompressed",
        )


def test_a_fragment_that_is_compressed_by_itself() -> None:
    error = error_of(sent(0x42, b"") + sent(0xC0, b""), deflate=12)
    assert str(error) == "a fragment that continues no message"


def test_good_messages_before_a_bad_one_are_given() -> None:
    decoder = server()
    assert decoder.feed(whole(BINARY, b"a") + whole(TEXT, b"b") + sent(0x83)) == [b"a", b"b"]
    assert decoder.error is not None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (sent(0x83), 1002),
        (whole(TEXT, b"\xff"), 1007),
        (whole(BINARY, bytes(2000)), 1009),
    ],
)
def test_a_close_says_how_the_rules_were_broken(data: bytes, code: int) -> None:
    decoder = server()
    decoder.feed(data)
    close = decoder.ending()
    assert code_of(close) == code
    assert str(decoder.error).encode()[:100] in close
    assert decoder.ending() == b""


# Messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1000, 65535, 65536, 200_000])
@pytest.mark.parametrize("deflate", [0, 9, 15])
def test_what_one_side_sends_the_other_receives(size: int, deflate: int) -> None:
    inner = framing.raw(200_000)
    message = bytes(range(64)) * (size // 64) + bytes(size % 64)
    for one, other in (("server", "client"), ("client", "server")):
        encoder = WebSocket(inner, one, deflate=deflate)  # type: ignore[arg-type]  # they are
        decoder = WebSocket(inner, other, deflate=deflate).decoder()  # type: ignore[arg-type]  # they are
        data = encoder.encode(message)
        assert decoder.feed(data + data) == [message] * 2
        assert (decoder.error, decoder.unfinished, decoder.attention) == (None, 0, False)
        if deflate and size >= websocket.WORTH:
            assert len(data) < size


def test_what_does_not_get_shorter_is_not_compressed() -> None:
    data = WebSocket(framing.raw(), deflate=12).encode(bytes(range(256)))
    assert data[0] == 0x82


@pytest.mark.parametrize(
    ("inner", "message", "opcode"),
    [
        (framing.lines(), "ü", TEXT),
        (framing.lines("gbk"), "你", BINARY),
        (framing.lines(None), b"a", BINARY),
        (framing.json_lines(), {"a": [1]}, TEXT),
        (framing.delimited(encoding="utf-8"), "a", TEXT),
        (framing.delimited(b"\xa9", encoding="utf-8"), "a", BINARY),
        (framing.delimited(), b"a", BINARY),
        (framing.raw(), b"a", BINARY),
        (framing.length_prefixed(4), b"a", BINARY),
        (framing.text_or_binary(), "a", TEXT),
        (framing.text_or_binary(), b"a", BINARY),
    ],
)
def test_text_is_sent_as_text(inner: Framing[Any], message: Any, opcode: int) -> None:
    wire = WebSocket(inner)
    assert wire.encode(message)[0] == 0x80 | opcode
    assert WebSocket(inner, "client").decoder().feed(wire.encode(message)) == [message]


def test_either_kind_is_taken() -> None:
    assert server(framing.lines()).feed(whole(TEXT, b"a\n") + whole(BINARY, b"b")) == ["a", "b"]
    assert server().feed(whole(TEXT, "ü".encode()) + whole(BINARY, b"\xff")) == [
        "ü".encode(),
        b"\xff",
    ]
    both = server(framing.text_or_binary())
    assert both.feed(whole(TEXT, b"a") + whole(BINARY, b"a") + whole(TEXT)) == ["a", b"a", ""]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_message_in_fragments_with_control_frames_between(compressed: bool) -> None:
    text = "grün" * 100
    data = deflated(text.encode()) if compressed else text.encode()
    bit = 0x40 if compressed else 0
    decoder = server(framing.text_or_binary(), deflate=12)
    parts = [data[at : at + 3] for at in range(0, len(data), 3)]
    assert decoder.feed(sent(bit | TEXT, parts[0]) + whole(PING, b"1")) == []
    assert decoder.unfinished == 3
    assert decoder.pending() == b"\x8a\x011"
    for part in parts[1:]:
        assert decoder.feed(sent(CONT, part) + whole(PONG, b"?")) == []
    assert decoder.feed(whole(CONT)) == [text]
    assert decoder.feed(whole(BINARY, b"next")) == [b"next"]
    assert (decoder.unfinished, decoder.error, decoder.pending()) == (0, None, b"")


def test_a_close_between_two_fragments() -> None:
    """Case 7.1.5 of the Autobahn suite."""
    decoder = server()
    assert decoder.feed(sent(0x01, b"a") + whole(CLOSE, b"\x03\xe8") + sent(0x80, b"b")) == []
    assert (decoder.error, decoder.closed) == (None, 1000)
    assert decoder.ending() == b"\x88\x02\x03\xe8"


def test_a_long_message_in_very_many_fragments() -> None:
    """Cases 9.3.1 and 9.4.1 of the Autobahn suite."""
    decoder = server(framing.raw(max_message=4 << 20))
    part = sent(0x00, bytes(64)) * 1024
    assert decoder.feed(sent(0x02)) == []
    for _ in range(64):
        assert decoder.feed(part) == []
    assert decoder.feed(sent(0x80)) == [bytes(4 << 20)]


def test_a_compressed_message_that_says_where_it_ends() -> None:
    made = zlib.compressobj(wbits=-15)
    data = made.compress(b"a" * 300) + made.flush()  # with BFINAL: RFC 7692, section 7.2.3.4
    assert server(deflate=12).feed(sent(0xC2, data + b"\0")) == [b"a" * 300]
    in_two = server(deflate=12)
    assert in_two.feed(sent(0x42, data) + sent(0x80, b"\0")) == [b"a" * 300]


def test_the_rest_of_a_frame_is_asked_for_at_once() -> None:
    data = whole(BINARY, bytes(900))
    decoder = server()
    assert decoder.feed(data[:1]) == []
    assert decoder.need == 1
    assert decoder.feed(data[1:3]) == []
    assert decoder.need == 5  # the rest of a length, and the mask
    assert decoder.feed(data[3:10]) == []
    assert (decoder.need, decoder.unfinished) == (len(data) - 10, 10)
    assert decoder.feed(data[10:20]) == []
    assert decoder.need == len(data) - 20
    assert decoder.feed(data[20:]) == [bytes(900)]
    assert decoder.need == 1
    small = whole(BINARY, b"abc")
    assert decoder.feed(small[:7]) == []
    assert decoder.need == 2


def test_a_message_that_cannot_be_sent() -> None:
    wire = WebSocket(framing.lines(max_message=3))
    with pytest.raises(LocalProtocolError):
        wire.encode("long")
    with pytest.raises(LocalProtocolError):
        wire.encode(b"x")  # type: ignore[arg-type]  # that is the point


def test_going_on_with_another_framing() -> None:
    first = WebSocket(framing.raw())
    decoder: WebSocketDecoder[Any] = first.decoder()
    assert decoder.feed(sent(0x01, b"[1")) == []
    second = first.around(framing.json_lines())
    decoder.use(second)
    assert decoder.feed(sent(0x80, b"]")) == [[1]]
    assert decoder.framing is second
    with pytest.raises(LocalProtocolError, match="cannot be cut by another framing"):
        decoder.rest(0)


def test_alike_framings_are_equal() -> None:
    inner = framing.raw()
    assert WebSocket(inner) == WebSocket(inner, "server")
    assert hash(WebSocket(inner)) == hash(WebSocket(inner))
    assert WebSocket(inner) != WebSocket(inner, deflate=12)
    assert WebSocket(inner) != WebSocket(inner, "client")
    assert WebSocket(inner) != WebSocket(framing.raw())
    assert WebSocket(inner) != inner
    again = pickle.loads(pickle.dumps(WebSocket(framing.lines(), deflate=10)))  # noqa: S301  made right here
    assert again.encode("a") == b"\x81\x01a"


def test_it_does_not_cut_a_stream() -> None:
    with pytest.raises(NotImplementedError):
        WebSocket(framing.raw()).cut(b"", 0, 0)


# Control frames


def test_pings_pile_up_within_a_bound() -> None:
    decoder = server()
    for number in range(PONGS * 3):
        decoder.feed(whole(PING, b"%d" % number))
    pongs = decoder.pending()
    assert pongs.count(b"\x8a") == PONGS
    assert pongs.endswith(b"%d" % (PONGS * 3 - 1))
    assert decoder.pending() == b""
    assert not decoder.attention


def test_a_close_is_sent_back_and_nothing_after_it_counts() -> None:
    decoder = server()
    data = whole(PING, b"last") + whole(CLOSE, b"\x0f\xa0see you") + whole(BINARY, b"late")
    assert decoder.feed(data) == []
    assert (decoder.closed, decoder.why, decoder.attention) == (4000, "see you", True)
    assert decoder.feed(whole(BINARY, b"later")) == []
    assert decoder.pending() == b"\x8a\x04last"
    assert decoder.attention
    assert decoder.ending(1011, "not said") == b"\x88\x02\x0f\xa0"
    decoder.finish()
    assert (decoder.lost, decoder.unfinished) == (False, 0)


def test_a_close_without_a_code() -> None:
    decoder = server()
    decoder.feed(whole(CLOSE))
    assert (decoder.closed, decoder.ending()) == (1005, b"\x88\x00")


def test_nothing_follows_our_own_close() -> None:
    decoder = server()
    assert decoder.ending(1001, "going") == b"\x88\x07\x03\xe9going"
    decoder.feed(whole(PING))
    assert decoder.pending() == b""


def test_a_reason_is_cut_between_characters() -> None:
    close = WebSocket(framing.raw()).close(1008, "ü" * 100)
    assert len(close) == 2 + 2 + 122
    assert close[4:].decode() == "ü" * 61
    assert b"\xff" not in WebSocket(framing.raw()).close(1008, "\udcff")
    assert code_of(WebSocket(framing.raw()).refusal("full")) == 1008


def test_a_stream_that_ends_without_a_close_was_cut_off() -> None:
    decoder = server()
    decoder.feed(whole(BINARY)[:3])
    decoder.finish()
    assert decoder.lost
    decoder.drop()  # which changes nothing
    assert decoder.unfinished == 3


def test_messages_that_nobody_wants_are_not_decoded() -> None:
    decoder = server(framing.json_lines())
    decoder.skip()
    assert decoder.feed(whole(TEXT, b"no JSON") + whole(CLOSE)) == [None]
    assert decoder.closed == 1005


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "apply_mask", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'jackfield\[web\]'"):
        WebSocket(framing.raw())


def test_the_mask_is_another_each_time() -> None:
    wire = WebSocket(framing.raw(), "client")
    assert len({wire.encode(b"the same") for _ in range(20)}) == 20
