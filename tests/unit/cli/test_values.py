from __future__ import annotations

import click
import pytest

from jackfield.cli.values import duration, size

CONTEXT = click.Context(click.Command("x"))
OPTION = click.Option(["--delay"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1.0), ("250ms", 0.25), ("2m", 120.0), ("1h", 3600.0), ("0.5", 0.5), (" 3 ", 3.0)],
)
def test_a_time(text: str, seconds: float) -> None:
    assert duration(CONTEXT, OPTION, text) == seconds


def test_none_given() -> None:
    assert duration(CONTEXT, OPTION, None) is None


@pytest.mark.parametrize("text", ["", "s", "1x", "-1s", "1e9", "inf", "nan", "1.s", "9" * 10, "١s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time; write 1s, 250ms, 2m or 7d"):
        duration(CONTEXT, OPTION, text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1", 1),
        ("4096", 4096),
        ("64K", 65536),
        ("64k", 65536),
        ("10MiB", 10 << 20),
        ("2GB", 2 << 30),
    ],
)
def test_a_size_is_in_bytes(text: str, count: int) -> None:
    assert size(CONTEXT, OPTION, text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "10X", "M", "9" * 20])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no size; write 4096, 64K or 10M"):
        size(CONTEXT, OPTION, text)


def test_no_size_is_none() -> None:
    assert size(CONTEXT, OPTION, None) is None
