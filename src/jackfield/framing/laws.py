"""The laws of a framing, and `check_framing()`, which runs them on anybody's.

The laws, by the names that a failure gives them:

- contract: `cut()` returns what its docstring says, whether bytes were searched before or not.
- cost: the bytes it looks at are linear in the bytes fed, even one by one.
- round trip: what `encode()` made decodes to the message, and so does each unit.
- any cut: however the bytes are cut they give the same messages, be they good or garbage.
- rest: `Decoder.rest()` gives the bytes from the first unread message on.
- only RemoteProtocolError: whatever the bytes, nothing else comes of them, and nothing after it.
- bound: no message past `max_message` is taken or sent, and no more is kept than one message
  and its frame.
- shared: one framing serves two connections, is the same afterwards, and can be pickled.
- refusal: `refusal()` gives one message, or nothing, and never raises.

A framing with a decoder of its own, and so without a `cut()`, is spared the first two.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NoReturn, ParamSpec, TypeVar

from jackfield.errors import LocalProtocolError, RemoteProtocolError
from jackfield.framing.base import Cut, Decoder, Framing

M = TypeVar("M")
P = ParamSpec("P")
R = TypeVar("R")

_SEED = 7
_MUTANTS = 150
_EVERY_CUT = 1024
"""Bytes up to which each place of a stream is tried as the cut; past it some are."""

_COUNTED = 16 * 1024
"""Bytes fed one by one, at the most, to count what cut() looks at."""

_ENDLESS = (b"\0", b"\xff", b"\x80", b"0", b"9", b"x", b" ", b"\r", b"[", b'"')
"""What a message that never ends is made of."""


def check_framing(
    framing: Framing[M],
    messages: Iterable[M],
    *,
    garbage: Iterable[bytes] = (),
    frame: int = 1024,
) -> None:
    """Run the laws of a framing. AssertionError tells which one broke, and on which bytes.

    messages: examples of what can be sent, at least one; the more they differ, an empty one
    among them, the more is checked.
    garbage: bytes likely to confuse this framing, to be tried beside those made up here.
    frame: bytes that go with the payload of one message at the most.

    A framing with a `max_message` of a few KiB is checked fastest; the laws are the same.
    Two runs are alike: chance has a fixed seed.
    """
    examples = list(messages)
    assert examples, "check_framing() needs a message or more to check with"
    check = _Check(framing, examples, frame)
    check.make_garbage(garbage)
    check.contract_and_cost()
    check.round_trip()
    check.any_cut()
    check.rest()
    check.bound()
    check.shared()
    check.refusal()


class _Check:
    """One framing, the bytes its laws are tried on, and a method for each law."""

    def __init__(self, framing: Framing[Any], messages: list[Any], frame: int) -> None:
        self.framing = framing
        self.messages = messages
        self.most = framing.max_message + frame
        self.chance = Random(_SEED)  # noqa: S311  it protects nothing
        self.before: bytes = self.expect("shared", framing, pickle.dumps, framing)
        self.encoded = [
            self.expect("round trip", message, framing.encode, message) for message in messages
        ]
        self.stream = b"".join(self.encoded)
        self.garbage: list[bytes] = []

    # What the laws share

    def broken(self, law: str, finding: str) -> NoReturn:
        """Say which law broke."""
        kind = type(self.framing).__name__
        raise AssertionError(f"{kind} breaks the law {law!r}: {finding}") from None

    def expect(
        self, law: str, sample: object, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call what must not raise."""
        try:
            return call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.broken(law, f"{call.__name__}() raised {error!r} for {_short(sample)}")

    def decode(
        self, chunks: Iterable[bytes], framing: Framing[Any] | None = None
    ) -> tuple[list[Any], RemoteProtocolError | None]:
        """Feed the chunks, and then the end of the stream, to a new decoder."""
        law = "only RemoteProtocolError"
        decoder = (framing or self.framing).decoder()
        messages: list[Any] = []
        waiting = 0  # bytes fed since something came of them
        for chunk in chunks:
            given = self.expect(law, chunk, decoder.feed, chunk)
            messages += given
            if decoder.error is not None:
                break
            waiting = 0 if given else waiting + len(chunk)
            if waiting > self.most:
                self.broken("bound", f"{waiting} bytes were taken without a message or an error")
        else:
            self.expect(law, b"", decoder.finish)
        error = decoder.error
        if error is not None:
            if not isinstance(error, RemoteProtocolError):
                self.broken(law, f"{error!r} was left in Decoder.error")
            if self.expect(law, self.encoded[0], decoder.feed, self.encoded[0]):
                self.broken(law, f"feed() gave messages after {error!r}")
        return messages, error

    def cuts(self, stream: bytes) -> Iterator[list[bytes]]:
        """Give a stream whole, byte by byte, cut in two anywhere, and cut by chance."""
        yield [stream]
        yield _byte_by_byte(stream)
        for place in self.places(stream):
            yield [stream[:place], stream[place:]]
        for _ in range(20):
            yield self.cut_by_chance(stream)

    def places(self, stream: bytes) -> Iterable[int]:
        if len(stream) <= _EVERY_CUT:
            return range(1, len(stream))
        return sorted(self.chance.sample(range(1, len(stream)), 100))

    def cut_by_chance(self, stream: bytes) -> list[bytes]:
        chunks = []
        while stream:
            size = self.chance.choice((1, 2, 3, 7, 16, 64, 256, 4096))
            chunks.append(stream[:size])
            stream = stream[size:]
        return chunks

    def make_garbage(self, given: Iterable[bytes]) -> None:
        """Take what was given; damage what is good; roll dice."""
        chance = self.chance
        samples = [sample[:_EVERY_CUT] for sample in (*self.encoded, self.stream)]
        self.garbage += given
        for _ in range(_MUTANTS):
            self.garbage.append(self.damaged(chance.choice(samples)))
            self.garbage.append(chance.randbytes(chance.randint(1, 40)))

    def damaged(self, sample: bytes) -> bytes:
        chance = self.chance
        for _ in range(chance.randint(1, 3)):
            first, last = sorted(chance.choices(range(len(sample) + 1), k=2))
            last = min(last, first + chance.choice((1, 2, 8)))
            part = sample[first:last]
            part = chance.choice((b"", part * 2, part * 9, chance.randbytes(len(part)), part[::-1]))
            sample = sample[:first] + part + sample[last:]
        return sample

    # The laws

    def contract_and_cost(self) -> None:
        """Drive cut() as a decoder does that is fed byte by byte."""
        if type(self.framing).cut is Framing.cut:
            return
        for stream in (
            self.stream[:_COUNTED],
            *self.garbage,
            *self.endless(min(_COUNTED, self.most + 64)),
        ):
            buffer = _Watched()
            searched = 0
            wanted = 1
            for byte in stream:
                buffer.append(byte)
                if len(buffer) < wanted:
                    continue
                found = self.found(buffer, searched)
                if found is None:
                    break
                if isinstance(found, int):
                    wanted = found
                    searched = len(buffer)
                else:
                    del buffer[: found[2]]
                    searched = 0
                    wanted = 1
            if buffer.looked > 16 * len(stream) + 1024:
                self.broken(
                    "cost",
                    f"cut() looked at {buffer.looked} bytes to be fed {len(stream)} one by one, "
                    f"{_short(stream)}",
                )

    def found(self, buffer: _Watched, searched: int) -> Cut | int | None:
        """Call cut() and check what it returns; None is an error of the peer's."""
        try:
            found = self.framing.cut(buffer, 0, searched)
        except RemoteProtocolError:
            return None
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.broken("only RemoteProtocolError", f"cut() raised {error!r} for {_short(buffer)}")
        wrong = self.wrong(found, len(buffer))
        if wrong is None and not isinstance(found, int):
            again = self.framing.cut(bytearray(memoryview(buffer)), 0, 0)
            if again != found:
                wrong = "contract", f"but {again} with searched=0"
        if wrong is not None:
            law, why = wrong
            self.broken(law, f"cut() returned {found} for {_short(buffer)}, {why}")
        return found

    def wrong(self, found: Cut | int, size: int) -> tuple[str, str] | None:
        """Say which law breaks what cut() returned for `size` bytes, and why."""
        if isinstance(found, int):
            if found <= size:
                return "contract", f"but must ask for more bytes than these {size}"
            waits_for = found
        else:
            first, last, after = found
            if not (0 <= first <= last <= after <= size and after):
                return "contract", f"where no message lies, in {size} bytes"
            waits_for = last - first
        if waits_for > self.most:
            return "bound", f"but a message and its frame have {self.most} bytes at the most"
        return None

    def round_trip(self) -> None:
        """Decode what was encoded: the stream, and each message as a unit."""
        given, error = self.decode([self.stream])
        if error is not None or given != self.messages:
            self.broken(
                "round trip",
                f"{_short(self.stream)} came of {_short(self.messages)} and gave "
                f"{_short(given)}, {error!r}",
            )
        together = self.expect("round trip", self.messages, self.framing.encode_all, self.messages)
        if together != self.stream:
            self.broken(
                "round trip", f"encode_all() gave {_short(together)} for {_short(self.stream)}"
            )
        for message in self.messages:
            unit = self.expect("round trip", message, self.framing.encode_unit, message)
            again = self.expect("round trip", unit, self.framing.decode_unit, unit)
            if again != message:
                self.broken(
                    "round trip",
                    f"the unit {_short(unit)} came of {_short(message)} and gave {_short(again)}",
                )

    def any_cut(self) -> None:
        """Compare what all cuts of the same bytes give."""
        for chunks in self.cuts(self.stream):
            self.same(self.stream, chunks, self.messages, fails=False)
        for stream in self.garbage:
            given, error = self.decode([stream])
            for chunks in (_byte_by_byte(stream), self.cut_by_chance(stream)):
                self.same(stream, chunks, given, fails=error is not None)
            self.unit(stream)

    def same(self, stream: bytes, chunks: list[bytes], given: list[Any], *, fails: bool) -> None:
        again, error = self.decode(chunks)
        # repr, for a number in garbage may be NaN, which equals nothing.
        if repr(again) != repr(given) or (error is not None) != fails:
            self.broken(
                "any cut",
                f"{_short(stream)} gave {_short(given)}, but {_short(again)}, {error!r} "
                f"when cut after {_short([len(chunk) for chunk in chunks])} bytes",
            )

    def unit(self, unit: bytes) -> None:
        """Decode garbage as a transport that keeps boundaries would have it decoded."""
        try:
            self.framing.decode_unit(unit)
        except RemoteProtocolError:
            pass
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.broken(
                "only RemoteProtocolError", f"decode_unit() raised {error!r} for {_short(unit)}"
            )

    def rest(self) -> None:
        """Leave messages unread, at every place of the stream and with garbage behind it."""
        ends = [0]
        for data in self.encoded:
            ends.append(ends[-1] + len(data))
        for place in self.places(self.stream):
            for chunks in ([self.stream[:place]], [self.stream[:place], self.stream[place:]]):
                self.rest_of(chunks, ends)
        for junk in (b"", *self.garbage):
            self.rest_of([self.stream + junk], ends)

    def rest_of(self, chunks: list[bytes], ends: list[int]) -> None:
        stream = b"".join(chunks)
        *_, given = counts = self.fed(chunks)[1]
        for unread in sorted({0, min(1, given), given // 2, given}):
            read = sum(counts) - unread
            if read >= len(ends):
                continue  # into the garbage, whose messages end nobody knows where
            rest = self.expect("rest", stream, self.fed(chunks)[0].rest, unread)
            if rest != stream[ends[read] :]:
                self.broken(
                    "rest",
                    f"with {unread} of {sum(counts)} messages of {_short(stream)} unread "
                    f"it gave {_short(rest)}",
                )

    def fed(self, chunks: list[bytes]) -> tuple[Decoder[Any], list[int]]:
        """Give a decoder that was fed the chunks, and how many messages each completed."""
        decoder = self.framing.decoder()
        return decoder, [len(decoder.feed(chunk)) for chunk in chunks]

    def bound(self) -> None:
        """Send and receive messages that are too long, and some that never end."""
        for message in self.messages:
            if isinstance(message, str | bytes) and message:
                self.too_long(message)
        for stream in self.endless(self.most + 64):
            step = max(1, len(stream) // 4096)
            self.decode([stream])
            self.decode(stream[at : at + step] for at in range(0, len(stream), step))

    def endless(self, size: int) -> Iterator[bytes]:
        longest = max(self.encoded, key=len)
        for start in (b"", longest[: len(longest) // 2]):
            for filler in _ENDLESS:
                yield (start + filler * size)[:size]

    def too_long(self, message: str | bytes) -> None:
        long = message * (self.framing.max_message // len(message) + 1)
        for encode in (self.framing.encode, self.framing.encode_unit):
            try:
                encode(long)
            except LocalProtocolError:
                continue
            except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
                self.broken("bound", f"{encode.__name__}() raised {error!r} for {_short(long)}")
            self.broken("bound", f"{encode.__name__}() took {_short(long)}")
        wider = copy.copy(self.framing)
        object.__setattr__(wider, "max_message", 4 * self.framing.max_message + 64)
        try:
            stream = wider.encode(long)
            unit = wider.encode_unit(long)
        except Exception:  # noqa: BLE001  something else bounds it: a fixed size, a short length
            return
        for chunks in ([stream], _byte_by_byte(stream), self.cut_by_chance(stream)):
            given, refused = self.decode(chunks)
            if long in given or refused is None:
                self.broken("bound", f"a message past max_message was taken, {_short(stream)}")
        try:
            self.framing.decode_unit(unit)
        except RemoteProtocolError:
            return
        self.broken("bound", f"decode_unit() took a unit past max_message, {_short(unit)}")

    def shared(self) -> None:
        """Serve two connections in turns; look whether anything was left behind."""
        streams = self.stream, b"".join(reversed(self.encoded))
        decoders = [self.framing.decoder() for _ in streams]
        given: list[list[Any]] = [[] for _ in streams]
        for bytes_now in zip(*map(_byte_by_byte, streams), strict=True):
            for messages, decoder, byte in zip(given, decoders, bytes_now, strict=True):
                messages.extend(decoder.feed(byte))
        if given != [self.messages, self.messages[::-1]]:
            self.broken("shared", f"two connections in turns received {_short(given)}")
        if pickle.dumps(self.framing) != self.before:
            self.broken("shared", "decoding changed the framing: state belongs in its decoder")
        other = pickle.loads(self.before)  # noqa: S301  it was made here
        if [other.encode(message) for message in self.messages] != self.encoded:
            self.broken("shared", "it encodes otherwise once it was pickled")
        if self.decode([self.stream], other) != (self.messages, None):
            self.broken("shared", "it decodes otherwise once it was pickled")

    def refusal(self) -> None:
        """Refuse with reasons of all kinds."""
        for reason in ("busy", "two\nlines", "满了 é", "\udc80", "long " * self.most):
            data = self.expect("refusal", reason, self.framing.refusal, reason)
            if not isinstance(data, bytes):
                self.broken("refusal", f"refusal({_short(reason)}) gave {data!r}")
            if data and type(self.framing).decoder is Framing.decoder:
                given, error = self.decode([data])
                if error is not None or len(given) != 1:
                    self.broken(
                        "refusal",
                        f"refusal({_short(reason)}) gave {_short(data)}, which decodes to "
                        f"{_short(given)}, {error!r}",
                    )


class _Watched(bytearray):
    """A buffer that counts how many of its bytes are looked at."""

    looked = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        self.looked += 1 if isinstance(at, int) else len(found)
        return found

    def __bytes__(self) -> bytes:
        self.looked += len(self)
        return bytes(memoryview(self))


def _looking(name: str) -> Callable[..., Any]:
    method = getattr(bytearray, name)

    def look(self: _Watched, *arguments: object) -> object:
        start = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else 0
        self.looked += max(0, len(self) - start)
        return method(self, *arguments)

    return look


for _name in ("find", "rfind", "index", "rindex", "count", "split", "partition", "__contains__"):
    setattr(_Watched, _name, _looking(_name))


def _byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def _short(value: object) -> str:
    text = repr(bytes(memoryview(value)) if isinstance(value, bytearray) else value)
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"
