from __future__ import annotations

import pytest

from jackfield.cli.progress import EVERY, Progress, duration, line, size
from jackfield.visible import width

MIB = 1024 * 1024


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    found = line("f.mkv", 50 * MIB, 200 * MIB, 10 * MIB, 100)
    assert found == (
        "f.mkv   25%  [######------------------]   50.0 MiB of 200 MiB   10.0 MiB/s     0:15 left"
    )


@pytest.mark.parametrize("columns", [1, 8, 20, 40, 60, 80, 200])
@pytest.mark.parametrize(
    "name", ["x", "a name of many characters that is longer than that", "你好" * 9]
)
@pytest.mark.parametrize("total", [None, 0, 1, 3 << 40])
@pytest.mark.parametrize("rate", [0.0, 0.001, 1e12])
def test_a_line_fits_whatever_the_window(
    columns: int, name: str, total: int | None, rate: float
) -> None:
    found = line(name, 12345, total, rate, columns)
    assert width(found) < max(columns, 2)
    assert found.isprintable()


def test_the_most_telling_stays_where_there_is_little_room() -> None:
    assert line("film.mkv", 50, 200, 10, 60).startswith("film.mkv   25%")
    assert line("film.mkv", 50, 200, 10, 24) == "film.mkv   25%"
    assert "50 B" in line("film.mkv", 50, None, 10, 40)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (100 * 1024, "100 KiB"),
        (5 * MIB, "5.0 MiB"),
        (4 << 30, "4.0 GiB"),
        (9 << 50, "9216 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (200, "3:20"), (3723, "1:02:03"), (1e6, "11 days")],
)
def test_times(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_it_is_painted_now_and_then_and_cleared(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    now = 0.0
    progress = Progress("a\x1bb", lambda: now)
    for number in range(100):
        now = number * EVERY / 10
        progress.update(number * 1000, 100_000)
    progress.paint()
    progress.update(0, 100_000)  # it has begun anew
    now += 1
    progress.update(10, 100_000)
    progress.end()
    progress.end()
    written = capfdbinary.readouterr().err
    assert 7 <= written.count(b"\x1b[K") <= 12
    assert written.endswith(b"\r\x1b[K")
    assert b"a\\x1bb" in written
    assert b"-" not in written.replace(b"[", b"").split(b"KiB/s")[-1].replace(b"----", b"")


def test_nothing_is_cleared_that_was_not_painted(capfd: pytest.CaptureFixture[str]) -> None:
    Progress("x").end()
    assert capfd.readouterr().err == ""


def test_what_is_short_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress("x", lambda: 0.0)
    progress.update(5, 10)
    progress.end()
    assert capfd.readouterr().err == ""


def test_a_rate_fades_when_nothing_more_comes(capfd: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    progress = Progress("x", lambda: now)
    for number in range(200):
        now = number * EVERY * 1.01
        if number < 50:
            progress.update(number * 100_000, None)
        else:
            progress.paint()
    assert "/s" not in capfd.readouterr().err.rpartition("\r")[2]
