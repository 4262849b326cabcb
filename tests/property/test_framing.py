"""The laws of all framings, each as the docstring of its test."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield import framing
from jackfield.errors import ConfigurationError, LocalProtocolError, RemoteProtocolError
from jackfield.framing import Framing, HeaderMessage
from jackfield.framing.base import Buffer, Cut, Decoder
from jackfield.framing.text import FAITHFUL

FRAME = 64
"""Bytes that go with a payload at the most, in all framings drawn here."""

Case = tuple[Framing[Any], list[Any]]

ALPHABETS = {
    "utf-8": "\0\x80é中\U0001f600\ud800",
    "gbk": "\x7f中文，é",
    "iso8859-1": "\x80\x85\xff",
    "shift_jis": "¥\\~‾日本ｶ",
    "iso2022_kr": "\x0e\x0f\x1b가나",
}
"""Characters likely to confuse, by encoding."""

bounds = st.integers(1, 200)
octets = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from(b'\r\n\0;01:,"[{a'), max_size=30).map(bytes)
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def text_lines(draw: st.DrawFn) -> Case:
    encoding = draw(st.sampled_from(sorted(ALPHABETS)))
    ending: Any = draw(st.sampled_from(["\n", "\r\n"]))
    texts = st.text(st.sampled_from(ALPHABETS[encoding] + "\r\t a"), max_size=40)
    lines = framing.lines(encoding, max_message=draw(bounds), ending=ending)
    return lines, draw(st.lists(texts, max_size=8))


@st.composite
def byte_lines(draw: st.DrawFn) -> Case:
    return framing.lines(None, max_message=draw(bounds)), draw(st.lists(octets, max_size=8))


@st.composite
def delimited(draw: st.DrawFn) -> Case:
    delimiter = draw(
        st.sampled_from([b"\0", b"aa", b"aab", b"\r\n"]) | st.binary(min_size=1, max_size=16)
    )
    if draw(st.booleans()):
        texts = framing.delimited(delimiter, "utf-8", max_message=draw(bounds))
        return texts, draw(st.lists(st.text(max_size=40), max_size=8))
    return framing.delimited(delimiter, max_message=draw(bounds)), draw(
        st.lists(octets, max_size=8)
    )


@st.composite
def fixed(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 40))
    messages = st.lists(st.binary(min_size=size, max_size=size), max_size=8)
    return framing.fixed(size), draw(messages)


@st.composite
def length_prefixed(draw: st.DrawFn) -> Case:
    size: Any = draw(st.sampled_from([1, 2, 4, 8, "varint"]))
    if size == "varint":
        one: Framing[Any] = framing.length_prefixed(size, max_message=draw(bounds))
    else:
        one = framing.length_prefixed(
            size,
            draw(st.sampled_from(["big", "little"])),
            counts_itself=draw(st.booleans()),
            max_message=draw(bounds),
        )
    return one, draw(st.lists(octets, max_size=8))


@st.composite
def header(draw: st.DrawFn) -> Case:
    codes = draw(st.lists(st.sampled_from("bBhHiIqQx"), max_size=5))
    length = draw(st.integers(0, len(codes)))
    codes.insert(length, draw(st.sampled_from("HIQhi")))
    order = draw(st.sampled_from("<>!="))
    at = sum(code != "x" for code in codes[:length])
    one = framing.header(
        order + "".join(codes),
        length=at,
        adjust=draw(st.integers(-20, 20)),
        max_message=draw(bounds),
    )
    fields = st.tuples(
        *(
            st.integers(-(1 << 8 * struct.calcsize(f"={code}") - 1), -1)
            if code.islower()
            else st.integers(0, (1 << 8 * struct.calcsize(f"={code}")) - 1)
            for index, code in enumerate(codes)
            if code != "x" and index != length
        )
    )
    messages = st.lists(st.builds(HeaderMessage, fields, octets), max_size=8)
    return one, draw(messages)


@st.composite
def netstring(draw: st.DrawFn) -> Case:
    return framing.netstring(max_message=draw(bounds)), draw(st.lists(octets, max_size=8))


@st.composite
def json_lines(draw: st.DrawFn) -> Case:
    return framing.json_lines(max_message=1000), draw(st.lists(json_values, max_size=5))


KINDS: list[Callable[[], st.SearchStrategy[Case]]] = [
    text_lines,
    byte_lines,
    delimited,
    fixed,
    length_prefixed,
    header,
    netstring,
    json_lines,
]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def drawn(data: st.DataObject, kind: Callable[[], st.SearchStrategy[Case]]) -> Case:
    """Draw a framing and messages that it can send."""
    one, messages = data.draw(kind())
    return one, [message for message in messages if sendable(one, message)]


def sendable(one: Framing[Any], message: Any) -> bool:
    """Encode, which may raise LocalProtocolError and nothing else."""
    try:
        one.encode(message)
    except LocalProtocolError:
        return False
    return True


def may_lack_a_way_back(one: Framing[Any]) -> bool:
    """Whether what is received may be impossible to send on.

    In JSON a number may take more digits than it came with. Some of Python's codecs decode
    bytes to characters that they do not encode.
    """
    if isinstance(one, framing.json_lines):
        return True
    return getattr(one, "encoding", "utf-8") not in FAITHFUL


def chunks_of(data: st.DataObject, stream: bytes) -> list[bytes]:
    """Cut a stream anywhere, into empty chunks too."""
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


def damaged(data: st.DataObject, stream: bytes) -> bytes:
    """Replace a part of a stream by others bytes, or take bytes at all of no stream."""
    places = st.integers(0, len(stream))
    first, last = sorted((data.draw(places), data.draw(places)))
    return stream[:first] + data.draw(octets) + stream[last:]


def decode(one: Framing[Any], chunks: list[bytes]) -> tuple[list[Any], bool]:
    """Decode a stream in chunks: the messages, and whether it was refused in the end."""
    decoder = one.decoder()
    messages: list[Any] = []
    for chunk in chunks:
        messages += decoder.feed(chunk)
        assert decoder.error is not None or kept(decoder) <= one.max_message + FRAME
        assert len(decoder._buffer) <= one.max_message + FRAME + 2 * max(map(len, chunks))
    decoder.finish()
    assert decoder.error is None or isinstance(decoder.error, RemoteProtocolError)
    return messages, decoder.error is not None


def kept(decoder: Decoder[Any]) -> int:
    return len(decoder._buffer) - decoder._end


@each_kind
@given(data=st.data())
def test_what_was_encoded_decodes_to_the_messages_however_it_is_cut(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """decode(encode(m)) = m, and any cut of the bytes gives the same messages."""
    one, messages = drawn(data, kind)
    stream = one.encode_all(messages)

    assert stream == b"".join(map(one.encode, messages))
    assert decode(one, chunks_of(data, stream)) == (messages, False)
    assert decode(one, [stream[at : at + 1] for at in range(len(stream))]) == (messages, False)


@each_kind
@given(data=st.data())
def test_garbage_raises_nothing_but_the_peers_error_however_it_is_cut(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """Garbage is decoded or refused with RemoteProtocolError, the same however it is cut."""
    one, messages = drawn(data, kind)
    stream = damaged(data, one.encode_all(messages))

    whole = decode(one, [stream])
    assert decode(one, chunks_of(data, stream)) == whole
    assert decode(one, [stream[at : at + 1] for at in range(len(stream))]) == whole


@each_kind
@given(data=st.data())
def test_what_was_received_can_be_sent_and_arrives_as_it_was(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """Every message that is received can be sent on, and arrives as it was."""
    one, messages = drawn(data, kind)
    received, _ = decode(one, [damaged(data, one.encode_all(messages))])
    if may_lack_a_way_back(one):
        received = [message for message in received if sendable(one, message)]

    assert decode(one, [one.encode_all(received)]) == (received, False)


@each_kind
@given(data=st.data())
def test_rest_gives_the_bytes_from_the_first_unread_message_on(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """Whatever follows, rest() gives the bytes from the first unread message on."""
    one, messages = drawn(data, kind)
    ends = [0]
    for message in messages:
        ends.append(ends[-1] + len(one.encode(message)))
    stream = one.encode_all(messages) + data.draw(octets)
    place = data.draw(st.integers(0, ends[-1]))
    decoder = one.decoder()
    read = sum(len(decoder.feed(chunk)) for chunk in chunks_of(data, stream[:place]))
    more = len(decoder.feed(stream[place:]))
    unread = data.draw(st.integers(max(0, read + more - len(messages)), more))

    assert decoder.rest(unread) == stream[ends[read + more - unread] :]


@each_kind
@given(data=st.data())
def test_units_come_back_as_they_were_and_garbage_is_refused(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """A message is the same after encode_unit() and decode_unit(); garbage is, or is refused."""
    one, messages = drawn(data, kind)
    for message in messages:
        assert one.decode_unit(one.encode_unit(message)) == message
    try:
        received = one.decode_unit(data.draw(octets))
        unit = one.encode_unit(received)
    except RemoteProtocolError:
        return
    except LocalProtocolError:
        assert may_lack_a_way_back(one)
        return
    assert one.decode_unit(unit) == received


@each_kind
@given(data=st.data())
def test_no_message_past_the_bound_is_taken(
    kind: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    """However a peer spells it, no message with more than max_message bytes is delivered."""
    one, messages = drawn(data, kind)
    received, _ = decode(one, chunks_of(data, damaged(data, one.encode_all(messages))))

    if not may_lack_a_way_back(one):
        most = one.max_message + (one.size if isinstance(one, framing.header) else 0)
        assert all(len(one.encode_unit(message)) <= most for message in received)


@given(st.text(st.sampled_from('[]{}",:\\01e.-tfn \udc80a'), max_size=200))
def test_whatever_looks_like_json_is_a_value_or_refused(text: str) -> None:
    """Of what looks like JSON nothing comes but a value, or RemoteProtocolError."""
    unit = text.encode("utf-8", "surrogatepass")
    with contextlib.suppress(RemoteProtocolError):
        framing.json_lines().decode_unit(unit)


@given(
    st.text(max_size=20)
    | st.builds(
        "{}:{}".format,
        st.sampled_from(["raw", "lines", "delimited", "fixed", "length", "netstring", "json"]),
        st.text(st.sampled_from("0x1248,bigltervnsfu-"), max_size=12),
    )
)
def test_any_name_is_a_framing_or_refused_in_one_line(text: str) -> None:
    """Any text names a framing or raises ConfigurationError, whose text is one line."""
    said = ""
    try:
        assert framing.parse(text).name == text.partition(":")[0]
    except ConfigurationError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


# Cost

LONG = 64 * 1024 - 16


def counted(one: Framing[Any]) -> tuple[Framing[Any], list[int]]:
    """Give the framing anew, and a list of what each cut() or cut_all() has to look at."""
    looked: list[int] = []
    kind = type(one)

    def cut(self: Framing[Any], buffer: Buffer, start: int, searched: int) -> Cut | int:
        found = kind.cut(self, buffer, start, searched)
        looked.append((len(buffer) if isinstance(found, int) else found[2]) - searched + 1)
        return found

    def cut_all(self: Framing[Any], data: bytes) -> tuple[list[Any], int]:
        looked.append(len(data) + 1)
        return kind.cut_all(self, data)

    anew: Framing[Any] = object.__new__(type("Counted", (kind,), {"cut": cut, "cut_all": cut_all}))
    vars(anew).update(vars(one))
    return anew, looked


def cost(one: Framing[Any], messages: list[Any], sizes: Iterator[int]) -> float:
    """Give the bytes looked at and copied for each byte fed, in chunks of these sizes."""
    stream = one.encode_all(messages)
    one, looked = counted(one)
    decoder = one.decoder()
    copied = 0
    at = 0
    given_out: list[Any] = []
    while at < len(stream):
        size = next(sizes)
        before = decoder._buffer
        given_out += decoder.feed(stream[at : at + size])
        if decoder._buffer is not before:
            copied += len(decoder._buffer)
        at += size
    assert given_out == messages
    return (sum(looked) + copied) / len(stream)


LONG_ONES: dict[str, Case] = {
    "text lines": (framing.lines(), ["x" * LONG]),
    "gbk lines": (framing.lines("gbk"), ["中" * (LONG // 2)]),
    "byte lines": (framing.lines(None), [b"\r" * LONG + b"x"]),
    "delimited": (framing.delimited(b"\r\n\r\n"), [b"\r\n\r" * (LONG // 3) + b"x"]),
    "delimited text": (framing.delimited(encoding="utf-8"), ["中" * (LONG // 3)]),
    "fixed": (framing.fixed(LONG), [b"x" * LONG]),
    "length-prefixed": (framing.length_prefixed(), [b"x" * LONG]),
    "varint-prefixed": (framing.length_prefixed("varint"), [b"x" * LONG]),
    "header": (framing.header(">IB", length=0), [HeaderMessage((1,), b"x" * LONG)]),
    "netstring": (framing.netstring(), [b"x" * LONG]),
    "JSON lines": (framing.json_lines(), ["x" * (LONG - 2)]),
}

each_long = pytest.mark.parametrize("name", LONG_ONES)


@pytest.mark.some(4)
@each_long
def test_a_long_message_costs_the_same_a_byte_when_it_comes_byte_by_byte(
    name: str,
) -> None:
    """The bytes looked at and copied for a long message are linear in it, fed one by one."""
    assert cost(*LONG_ONES[name], itertools.repeat(1)) < 5


@pytest.mark.some(4)
@each_long
@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=20))
@settings(max_examples=settings().max_examples // 5)  # each is a long one
def test_a_long_message_costs_the_same_a_byte_however_it_comes(name: str, sizes: list[int]) -> None:
    """The bytes looked at and copied are linear in the bytes fed, whatever the chunks."""
    one, messages = LONG_ONES[name]

    assert cost(one, messages * 2, itertools.cycle(sizes)) < 8


def test_many_short_messages_cost_the_same_a_byte() -> None:
    """Many messages in a feed cost no more a byte than one, with a long one cut among them."""
    messages = ["x" * 20_000, *["y"] * 2000, "z" * 20_000, *[""] * 2000]

    for size in (1, 1000, 100_000):
        assert cost(framing.lines(), messages, itertools.repeat(size)) < 5
        assert cost(framing.lines("hz"), messages, itertools.repeat(size)) < 5
