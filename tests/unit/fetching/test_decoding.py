from __future__ import annotations

import contextlib
import gzip
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli  # type: ignore[import-untyped]  # it has none
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import DecodingError
from jackfield.fetching import decoding as module
from jackfield.fetching.decoding import PIECE, BodyDecoder, codings_of, offered


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return made.compress(data) + made.flush()


def several_frames(data: bytes) -> bytes:
    half = len(data) // 2
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])


def several_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + bytes(7)


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "members": ("x-gzip", several_members),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "frames": ("zstd", several_frames),
}
EACH = pytest.mark.parametrize("kind", list(CODERS))


def decoded(codings: list[str], parts: list[bytes]) -> bytes:
    decoder = BodyDecoder(codings)
    pieces = [piece for part in parts for piece in decoder.feed(part)]
    decoder.finish()
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(at)]


@EACH
@given(
    data=st.binary(max_size=2000), repeat=st.integers(1, 60), cuts=st.lists(st.integers(0, 4000))
)
def test_any_cut_of_the_input_gives_the_same_bytes(
    kind: str, data: bytes, repeat: int, cuts: list[int]
) -> None:
    coding, encode = CODERS[kind]
    body = data * repeat
    assert decoded([coding], cut(encode(body), cuts)) == body


@EACH
def test_much_comes_out_in_small_pieces(kind: str) -> None:
    coding, encode = CODERS[kind]
    body = random.Random(1).randbytes(50_000) + bytes(3_000_000) + b"end"
    assert decoded([coding], [encode(body)]) == body


@EACH
@given(noise=st.binary(min_size=1, max_size=300))
def test_garbage_is_bytes_or_the_one_error(kind: str, noise: bytes) -> None:
    coding, encode = CODERS[kind]
    for data in (noise, encode(b"good" * 50)[: len(noise)] + noise):
        with contextlib.suppress(DecodingError):
            decoded([coding], [data])


@EACH
def test_a_body_cut_short_is_an_error(kind: str) -> None:
    coding, encode = CODERS[kind]
    data = encode(os.urandom(5000))
    half = data[: len(data) // 3]
    decoder = BodyDecoder([coding])
    list(decoder.feed(half))
    with pytest.raises(DecodingError, match="not whole"):
        decoder.finish()


def test_no_body_at_all_is_none() -> None:
    assert decoded(["gzip"], []) == b""


@pytest.mark.parametrize("coding", ["deflate", "br"])
def test_what_follows_the_end_is_an_error(coding: str) -> None:
    _, encode = CODERS[coding]
    with pytest.raises(DecodingError, match="behind the end"):
        decoded([coding], [encode(b"body"), b"more"])


def test_codings_on_top_of_each_other_are_undone_in_turn() -> None:
    body = b"body" * 1000
    assert decoded(["gzip", "br"], [brotli.compress(gzip.compress(body))]) == body


@pytest.mark.parametrize(
    ("codings", "says"),
    [(["gzip"] * 3, "3 codings on top"), (["compress"], "'compress' is not known here")],
)
def test_other_codings_are_refused(codings: list[str], says: str) -> None:
    with pytest.raises(DecodingError, match=says):
        BodyDecoder(codings)


def rle_bomb(blocks: int) -> bytes:
    """A frame of blocks of 128 KiB, each of which takes four bytes: RFC 8878, section 3.1.1.2."""
    size = 128 * 1024
    block = ((size << 3) | (1 << 1)).to_bytes(3, "little") + b"x"
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * blocks


def bombs() -> dict[str, bytes]:
    zeros = bytes(1 << 20)
    by_zlib = zlib.compressobj(9, zlib.DEFLATED, 31)
    by_brotli = brotli.Compressor(quality=1)
    zipped, brotlied = [], []
    for _ in range(200):
        zipped.append(by_zlib.compress(zeros))
        brotlied.append(by_brotli.process(zeros))
    return {
        "gzip": b"".join([*zipped, by_zlib.flush()]),
        "br": b"".join([*brotlied, by_brotli.finish()]),
        "zstd": rle_bomb(20_000),
    }


def explode(coding: str, bomb: bytes, sizes: list[int]) -> None:
    decoder = BodyDecoder([coding])
    for at in range(0, len(bomb), 1000):
        sizes.extend(map(len, decoder.feed(bomb[at : at + 1000])))


@pytest.mark.some(1)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_is_an_error_in_constant_memory(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FREE", 1 << 20)
    bomb = bombs()[coding]
    sizes: list[int] = []
    tracemalloc.start()
    try:
        with pytest.raises(DecodingError, match="may be a bomb"):
            explode(coding, bomb, sizes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) < (1 << 20) + 256 * len(bomb) + PIECE
    assert peak < 10 << 20


def test_a_window_past_the_bound_is_refused() -> None:
    made = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    ).compressobj()
    data = made.compress(os.urandom(100_000)) + made.flush()
    with pytest.raises(DecodingError, match="not in its content coding"):
        list(BodyDecoder(["zstd"]).feed(data))


def test_only_what_can_be_undone_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    offered.cache_clear()
    assert offered() == "gzip, deflate, br, zstd"
    offered.cache_clear()
    monkeypatch.setattr(module, "_brotli", lambda: None)
    monkeypatch.setattr(module, "_zstandard", lambda: None)
    assert offered() == "gzip, deflate"
    offered.cache_clear()
    with pytest.raises(DecodingError, match="brings it"):
        BodyDecoder(["br"])


@pytest.mark.parametrize(("version", "can"), [("1.1.0", False), ("1.2.0", True), ("1.10", True)])
def test_a_brotli_that_cannot_stop_at_a_bound_is_not_used(
    version: str, can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module._brotli.cache_clear()
    monkeypatch.setattr(brotli, "__version__", version)
    try:
        assert (module._brotli() is not None) is can
    finally:
        module._brotli.cache_clear()


@pytest.mark.parametrize(
    ("value", "codings"),
    [("", []), ("gzip", ["gzip"]), (" GZip , identity,br,", ["gzip", "br"])],
)
def test_the_field_is_a_list(value: str, codings: list[str]) -> None:
    assert codings_of(value) == codings


@pytest.mark.parametrize("size", range(60, 70))
def test_what_a_coding_has_taken_and_not_given_comes_too(size: int) -> None:
    """A slice that stands for just as much as one piece may leave some of it inside."""
    body = bytes(3_000_000)
    data = gzip.compress(body, mtime=0)
    assert decoded(["gzip"], [data[at : at + size] for at in range(0, len(data), size)]) == body
