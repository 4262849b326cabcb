from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask

from jackfield import framing
from jackfield.errors import RemoteProtocolError
from jackfield.framing.websocket import WebSocket, WebSocketDecoder

INNER = framing.text_or_binary(max_message=2000)
MASK = b"abcd"

messages = st.one_of(st.text(max_size=300), st.binary(max_size=600))
windows = st.sampled_from([0, 9, 12, 15])


def decoded(decoder: WebSocketDecoder[Any], parts: list[bytes]) -> tuple[Any, ...]:
    """Give all that comes of bytes: messages, pongs, an error, a Close."""
    found: list[Any] = []
    pongs = []
    for part in parts:
        found += decoder.feed(part)
        pongs.append(decoder.pending())
    error = decoder.error
    return (
        found,
        b"".join(pongs),
        (type(error), str(error)),
        decoder.closed,
        decoder.why,
        decoder.ending(),
    )


def cut_up(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[one:other] for one, other in pairwise(at)]


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    size = len(payload)
    bit = 0x80 if masked else 0
    head = bytes((first, bit | size)) if size < 126 else struct.pack("!BBH", first, bit | 126, size)
    return head + (MASK + apply_mask(payload, MASK) if masked else payload)


def deflated(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-12)
    return (made.compress(data) + made.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Any], bytes]:
    """Messages, whole or in fragments, compressed or not, with control frames anywhere."""
    said = draw(st.lists(messages, max_size=6))
    data = b""
    for message in said:
        opcode = 1 if isinstance(message, str) else 2
        payload = message.encode() if isinstance(message, str) else message
        bit = 0
        if draw(st.booleans()):
            bit, payload = 0x40, deflated(payload)
        cuts = draw(st.lists(st.integers(0, 600), max_size=3))
        parts = cut_up(payload, cuts) or [b""]
        for number, part in enumerate(parts):
            first = (0 if number else bit | opcode) | (0x80 if number == len(parts) - 1 else 0)
            data += frame(first, part)
            if draw(st.booleans()):
                data += frame(draw(st.sampled_from([0x89, 0x8A])), draw(st.binary(max_size=20)))
    return said, data


@given(conversations(), st.lists(st.integers(0, 5000), max_size=12))
def test_any_cut_gives_the_same_messages(
    conversation: tuple[list[Any], bytes], cuts: list[int]
) -> None:
    """However frames are cut into reads, the same messages come of them, in order."""
    said, data = conversation
    wire = WebSocket(INNER, deflate=12)
    whole = decoded(wire.decoder(), [data])
    assert whole[0] == said
    assert whole[2] == (type(None), "None")
    in_parts = decoded(wire.decoder(), cut_up(data, cuts))
    assert (in_parts[0], in_parts[2:]) == (whole[0], whole[2:])
    by_byte = decoded(wire.decoder(), [bytes([byte]) for byte in data])
    assert by_byte[0] == said


@given(st.lists(messages, max_size=8), windows, st.booleans())
def test_what_is_encoded_is_decoded(said: list[Any], window: int, from_client: bool) -> None:
    """What either side sends is what the other receives; encoded together or one by one."""
    one: Any = "client" if from_client else "server"
    other: Any = "server" if from_client else "client"
    data = WebSocket(INNER, one, deflate=window).encode_all(said)
    decoder = WebSocket(INNER, other, deflate=window).decoder()
    assert decoder.feed(data) == said
    assert (decoder.unfinished, decoder.error) == (0, None)


@given(st.lists(messages, max_size=8))
def test_the_library_websockets_reads_it_alike(said: list[Any]) -> None:
    """A frame of ours is that of the library websockets; only its mask is another."""
    for message in said:
        ours = WebSocket(INNER).encode(message)
        opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        payload = message.encode() if isinstance(message, str) else message
        assert ours == Frame(opcode, payload).serialize(mask=False)


garbage = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.builds(frame, st.integers(0, 255), st.binary(max_size=130), masked=st.booleans()),
        max_size=6,
    ).map(b"".join),
)


@given(garbage, windows, st.lists(st.integers(0, 500), max_size=6))
@example(b"\x82\xff" + b"\xff" * 12, 0, [])
@example(b"\xc1\x85" + MASK + b"\xff" * 5, 12, [1])
def test_garbage_is_messages_or_one_error(data: bytes, window: int, cuts: list[int]) -> None:
    """Anything at all gives messages, or RemoteProtocolError and nothing else, in any cut."""
    wire = WebSocket(INNER, deflate=window)
    whole, parts = wire.decoder(), wire.decoder()
    first, second = decoded(whole, [data]), decoded(parts, cut_up(data, cuts))
    assert (first[0], first[2:]) == (second[0], second[2:])
    assert whole.error is None or isinstance(whole.error, RemoteProtocolError)
    assert whole.unfinished <= len(data) + 1
    assert all(isinstance(message, str | bytes) for message in first[0])


@given(garbage, conversations(), st.integers(0, 3000))
def test_messages_before_garbage_are_given(
    bad: bytes, conversation: tuple[list[Any], bytes], cut: int
) -> None:
    """What follows never takes away what came before it."""
    said, data = conversation
    decoder = WebSocket(INNER, deflate=12).decoder()
    found = decoded(decoder, cut_up(data + bad, [cut]))[0]
    assert found[: len(said)] == said


@given(st.integers(0, 1 << 63), st.sampled_from([0x81, 0x82, 0xC1, 0x02, 0xC2]))
def test_no_length_that_is_announced_sizes_anything(size: int, first: int) -> None:
    """What a head announces is refused past the bound, and asked for up to it; nothing is kept."""
    decoder = WebSocket(INNER, deflate=12).decoder()
    assert decoder.feed(struct.pack("!BBQ", first, 0xFF, size) + MASK) == (
        [b"" if first & 2 else ""] if not size and first & 0x80 else []
    )
    assert (decoder.error is not None) == (size > 2002 + (1024 + 31 if first & 0x40 else 0))
    assert decoder.unfinished <= 14
