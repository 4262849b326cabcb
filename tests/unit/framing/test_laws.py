"""Each law must be able to fail: here is a framing that breaks it, all else being right."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.framing.base import Buffer, Cut, Decoder, Framing, sendable, too_long
from jackfield.testing import check_framing

MESSAGES = [b"", b"a", b"two;parts", b"x" * 60]


class Right(Framing[bytes]):
    """Messages that end with two semicolons and do not begin with an exclamation mark."""

    name = "right"

    def __init__(self, max_message: int = 1024) -> None:
        super().__init__(max_message)

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if buffer[start : start + 1] == b"!":
            raise BadMessage("no message begins with an exclamation mark")
        end = buffer.find(b";;", max(start, searched - 1))
        if (end if end >= 0 else len(buffer) - 1) - start > self.max_message:
            raise too_long(self.max_message)
        return (start, end, end + 2) if end >= 0 else len(buffer) - start + 1

    def encode(self, message: bytes) -> bytes:
        if message.startswith(b"!"):
            raise LocalProtocolError("no message begins with an exclamation mark")
        return sendable(message, self.max_message) + b";;"

    def refusal(self, reason: str) -> bytes:
        return reason.encode("ascii", "replace")[: self.max_message].replace(b";", b"?") + b";;"


class Sized(Framing[bytes]):
    """Messages behind a length of two bytes that counts itself."""

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if len(buffer) - start < 2:
            return 2
        length = int.from_bytes(buffer[start : start + 2])
        if length < 2:
            raise BadMessage("a length less than its own")
        if length - 2 > self.max_message:
            raise too_long(self.max_message)
        end = start + length
        return (start + 2, end, end) if end <= len(buffer) else length

    def encode(self, message: bytes) -> bytes:
        return (len(sendable(message, self.max_message)) + 2).to_bytes(2) + message


class OwnDecoder(Right):
    """As right as the others, without a cut() of its own."""

    cut = Framing.cut

    def decoder(self) -> Decoder[bytes]:
        return Decoder(Right(self.max_message))


# contract


class AsksForNoMore(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        found = super().cut(buffer, start, searched)
        return found - 1 if isinstance(found, int) else found


class TakesNothing(Sized):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if buffer[start : start + 2] == b"\0\0":
            return start, start, start  # a decoder would go on for ever
        return super().cut(buffer, start, searched)


class ReachesTooFar(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        found = super().cut(buffer, start, searched)
        return found if isinstance(found, int) else (found[0], found[1], found[2] + 1)


class MindsWhatWasSearched(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        found = super().cut(buffer, start, searched)
        if isinstance(found, int) or searched > start:
            return found
        return found[0], found[0], found[2]


# cost


class SearchesAgain(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return super().cut(buffer, start, start)


class CopiesAgain(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return super().cut(bytes(buffer), start, searched)


class LooksAtEachByteAgain(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        sum(buffer[at] for at in range(start, len(buffer)))
        return super().cut(buffer, start, searched)


# round trip


class Shouts(Right):
    def decode_unit(self, unit: bytes) -> bytes:
        return unit.upper()


class CannotEncode(Right):
    def encode(self, message: bytes) -> bytes:
        raise TypeError("no")


class EncodesAllOtherwise(Right):
    def encode_all(self, messages: list[bytes]) -> bytes:
        return b";".join(messages)


class AddsToUnits(Right):
    def encode_unit(self, message: bytes) -> bytes:
        return super().encode_unit(message) + b"\n"


class CannotDecodeUnits(Right):
    def encode_unit(self, message: bytes) -> bytes:
        return b"?" * 4000


# any cut


class MissesADelimiterInTwoParts(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if searched > start and buffer[searched - 1 :][:2] == b";;":
            searched += 2
        return super().cut(buffer, start, searched)


class TakesAllThatCutRefuses(Right):
    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        messages = data.split(b";;")
        left = len(messages.pop())
        if any(len(message) > self.max_message for message in messages):
            return [], 0
        return messages, len(data) - left


# rest


class ForgetsTheRest(Right):
    def decoder(self) -> Decoder[bytes]:
        return _ForgetsTheRest(self)


class _ForgetsTheRest(Decoder[bytes]):
    def rest(self, unread: int) -> bytes:
        return super().rest(min(unread, 1))


# only RemoteProtocolError


class ReadsNumbers(Sized):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if len(buffer) - start < 2:
            return 2
        size = int(bytes(buffer[start : start + 2]))
        end = start + 2 + size
        return (start + 2, end, end) if size >= 0 and end <= len(buffer) else 2 + size

    def encode(self, message: bytes) -> bytes:
        return b"%02d" % len(message) + message


class DecodesText(Right):
    def decode_unit(self, unit: bytes) -> bytes:
        return super().decode_unit(unit).decode("ascii").encode()


class DecodesUnitsOfText(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        found = super().cut(buffer, start, searched)
        if not isinstance(found, int) and not bytes(buffer[start : found[1]]).isascii():
            raise BadMessage("not ASCII")
        return found

    def decode_unit(self, unit: bytes) -> bytes:
        return super().decode_unit(unit).decode("ascii").encode()


class LeavesAnotherError(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return _LeavesAnotherError(Right(self.max_message))


class _LeavesAnotherError(Decoder[bytes]):
    def feed(self, data: bytes) -> list[bytes]:
        messages = super().feed(data)
        if self.error is not None:
            self.error = ValueError(str(self.error))  # type: ignore[assignment]
        return messages


class GoesOnAfterAnError(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return _GoesOnAfterAnError(Right(self.max_message))


class _GoesOnAfterAnError(Decoder[bytes]):
    def feed(self, data: bytes) -> list[bytes]:
        return [data] if self.error is not None else super().feed(data)


class CannotFinish(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return _CannotFinish(Right(self.max_message))


class _CannotFinish(Decoder[bytes]):
    def finish(self) -> None:
        raise KeyError("end")


# bound


class Endless(Right):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        end = buffer.find(b";;", max(start, searched - 1))
        return (start, end, end + 2) if end >= 0 else len(buffer) - start + 1


class TrustsTheLength(Sized):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if len(buffer) - start < 2:
            return 2
        length = max(2, int.from_bytes(buffer[start : start + 2]))
        end = start + length
        return (start + 2, end, end) if end <= len(buffer) else length


class WaitsForTheEnd(Sized):
    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if len(buffer) - start < 2:
            return 2
        end = start + max(2, int.from_bytes(buffer[start : start + 2]))
        return (start + 2, end, end) if end <= len(buffer) else len(buffer) - start + 1


class TakesLongOnes(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return Decoder(Right(1 << 30))


class Swallows(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return _Swallows(Right(1 << 30))


class _Swallows(Decoder[bytes]):
    def feed(self, data: bytes) -> list[bytes]:
        messages = super().feed(data)
        if any(len(message) > 1024 for message in messages):
            self.error = too_long(1024)
            return []
        return messages


class TakesLongOnesAtOnce(Right):
    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        end = data.find(b";;")
        return ([data[:end]], end + 2) if end > 0 and data[:1] != b"!" else ([], 0)


class SendsLongOnes(Right):
    def encode(self, message: bytes) -> bytes:
        return message + b";;"


class CannotSayTooLong(Right):
    def encode(self, message: bytes) -> bytes:
        if len(message) > self.max_message:
            raise OverflowError
        return super().encode(message)


class SendsLongUnits(Right):
    def encode_unit(self, message: bytes) -> bytes:
        return message


class TakesLongUnits(Right):
    def decode_unit(self, unit: bytes) -> bytes:
        return unit


# shared


class ServesOneAtATime(OwnDecoder):
    def decoder(self) -> Decoder[bytes]:
        return _ServesOneAtATime(Right(self.max_message))


class _ServesOneAtATime(Decoder[bytes]):
    latest: ClassVar[Decoder[bytes]]

    def __init__(self, framing: Framing[bytes]) -> None:
        super().__init__(framing)
        _ServesOneAtATime.latest = self

    def feed(self, data: bytes) -> list[bytes]:
        return super().feed(data if self is self.latest else b"")


class Counts(Right):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def decode_unit(self, unit: bytes) -> bytes:
        self.count += 1
        return super().decode_unit(unit)


class CannotBePickled(Right):
    def __init__(self) -> None:
        super().__init__()
        self.hook = lambda: None


class EncodesOtherwiseOncePickled(Right):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, crossed=True)

    def encode(self, message: bytes) -> bytes:
        return super().encode(message.replace(b"a", b"b") if hasattr(self, "crossed") else message)


class DecodesOtherwiseOncePickled(Right):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, crossed=True)

    def decode_unit(self, unit: bytes) -> bytes:
        return super().decode_unit(unit.replace(b"a", b"b") if hasattr(self, "crossed") else unit)


# refusal


class CannotRefuse(Right):
    def refusal(self, reason: str) -> bytes:
        return reason.encode("ascii") + b";;"


class RefusesInText(Right):
    def refusal(self, reason: str) -> bytes:
        return reason  # type: ignore[return-value]


class RefusesTwice(Right):
    def refusal(self, reason: str) -> bytes:
        return b"no;;no;;"


class RefusesWithHalfAMessage(Right):
    def refusal(self, reason: str) -> bytes:
        return b"no"


@pytest.mark.parametrize("right", [Right(), Sized(1024), OwnDecoder()])
def test_what_is_right_breaks_no_law(right: Framing[bytes]) -> None:
    check_framing(right, MESSAGES, garbage=[b"!;;", b";;;"], frame=64)


@pytest.mark.parametrize(
    ("law", "broken", "finding"),
    [
        ("contract", AsksForNoMore(), "must ask for more bytes than these 1"),
        ("contract", TakesNothing(), "where no message lies"),
        ("contract", ReachesTooFar(), "where no message lies"),
        ("contract", MindsWhatWasSearched(), "but .* with searched=0"),
        ("cost", SearchesAgain(), "cut\\(\\) looked at"),
        ("cost", CopiesAgain(), "cut\\(\\) looked at"),
        ("cost", LooksAtEachByteAgain(), "cut\\(\\) looked at"),
        ("round trip", Shouts(), "gave .*'TWO;PARTS'"),
        ("round trip", CannotEncode(), "encode\\(\\) raised TypeError\\('no'\\) for b''"),
        ("round trip", EncodesAllOtherwise(), "encode_all\\(\\) gave"),
        ("round trip", AddsToUnits(), "the unit b'\\\\n' came of b'' and gave b'\\\\n'"),
        ("round trip", CannotDecodeUnits(), "decode_unit\\(\\) raised MessageTooLong"),
        ("any cut", MissesADelimiterInTwoParts(), "when cut after \\[1, 1"),
        ("any cut", TakesAllThatCutRefuses(), "b'!;;'"),
        ("rest", ForgetsTheRest(), "with 2 of 4 messages"),
        ("only RemoteProtocolError", ReadsNumbers(), "cut\\(\\) raised ValueError"),
        ("only RemoteProtocolError", DecodesText(), "feed\\(\\) raised UnicodeDecodeError"),
        ("only RemoteProtocolError", DecodesUnitsOfText(), "decode_unit\\(\\) raised Unicode"),
        ("only RemoteProtocolError", LeavesAnotherError(), "ValueError.* was left in"),
        ("only RemoteProtocolError", GoesOnAfterAnError(), "feed\\(\\) gave messages after"),
        ("only RemoteProtocolError", CannotFinish(), "finish\\(\\) raised KeyError"),
        ("bound", Endless(), "cut\\(\\) returned 1089"),
        ("bound", TrustsTheLength(1024), "a message and its frame have 1088 bytes at the most"),
        ("bound", WaitsForTheEnd(1024), "a message and its frame have 1088 bytes at the most"),
        ("bound", TakesLongOnes(), "a message past max_message was taken"),
        ("bound", Swallows(), "bytes were taken without a message or an error"),
        ("bound", TakesLongOnesAtOnce(), "a message past max_message was taken"),
        ("bound", SendsLongOnes(), "encode\\(\\) took"),
        ("bound", CannotSayTooLong(), "encode\\(\\) raised OverflowError"),
        ("bound", SendsLongUnits(), "encode_unit\\(\\) took"),
        ("bound", TakesLongUnits(), "decode_unit\\(\\) took a unit past max_message"),
        ("shared", ServesOneAtATime(), "two connections in turns received \\[\\[\\], "),
        ("shared", Counts(), "decoding changed the framing"),
        ("shared", CannotBePickled(), "dumps\\(\\) raised"),
        ("shared", EncodesOtherwiseOncePickled(), "encodes otherwise once it was pickled"),
        ("shared", DecodesOtherwiseOncePickled(), "decodes otherwise once it was pickled"),
        ("refusal", CannotRefuse(), "refusal\\(\\) raised UnicodeEncodeError"),
        ("refusal", RefusesInText(), "refusal\\('busy'\\) gave 'busy'"),
        ("refusal", RefusesTwice(), "decodes to \\[b'no', b'no'\\], None"),
        ("refusal", RefusesWithHalfAMessage(), "decodes to \\[\\], IncompleteMessage"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Framing) else None,
)
def test_what_is_wrong_is_found_and_said(law: str, broken: Framing[bytes], finding: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_framing(broken, MESSAGES, garbage=[b"!;;", b"\xff;;"], frame=64)

    said = str(caught.value)
    assert said.startswith(f"{type(broken).__name__} breaks the law {law!r}: ")
    caught.match(finding)
    assert len(said) < 1000


def test_a_message_that_cannot_be_sent_is_no_example() -> None:
    with pytest.raises(AssertionError, match="encode\\(\\) raised LocalProtocolError"):
        check_framing(Right(), [b"!"])


def test_there_must_be_an_example() -> None:
    with pytest.raises(AssertionError, match="needs a message or more"):
        check_framing(Right(), [])


def test_a_long_stream_is_cut_at_some_of_its_places() -> None:
    check_framing(framing.length_prefixed(2, max_message=2000), [b"x" * 2000], frame=64)


def test_one_message_of_one_byte_is_enough() -> None:
    check_framing(framing.fixed(1), [b"x"])


def test_two_runs_find_the_same() -> None:
    found = []
    for _ in range(2):
        with pytest.raises(AssertionError) as caught:
            check_framing(DecodesText(), MESSAGES)
        found.append(str(caught.value))

    assert found[0] == found[1]
