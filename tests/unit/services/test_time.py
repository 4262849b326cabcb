from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.service import find
from jackfield.services.time import daytime, seconds
from tests.live import Live


def test_the_line_of_rfc_867() -> None:
    then = datetime(1982, 2, 22, 17, 37, 43, tzinfo=UTC)
    assert daytime(then) == b"Monday, February 22, 1982 17:37:43-UTC\r\n"


@pytest.mark.parametrize(
    ("when", "number"),
    [  # from RFC 868 itself
        (datetime(1970, 1, 1, tzinfo=UTC), 2_208_988_800),
        (datetime(1976, 1, 1, tzinfo=UTC), 2_398_291_200),
        (datetime(1980, 1, 1, tzinfo=UTC), 2_524_521_600),
        (datetime(1983, 5, 1, tzinfo=UTC), 2_629_584_000),
        (datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC), 0),  # it starts anew
    ],
)
def test_the_number_of_rfc_868(when: datetime, number: int) -> None:
    assert seconds(when) == struct.pack("!I", number)


def test_a_connection_is_told_the_time_and_closed() -> None:
    with Live(find("time", delay=0.01), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        assert re.fullmatch(rb"\w+, \w+ \d+, \d{4} \d\d:\d\d:\d\d-UTC\r\n", peer.rest())


def test_each_datagram_is_answered() -> None:
    with Live(find("time", protocol="time"), "udp://127.0.0.1:0") as live, live.connect() as peer:
        for question in (b"", b"what time is it?"):
            peer.sock.send(question)
            (told,) = struct.unpack("!I", peer.sock.recv(100))
            now = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=told)
            assert now.year >= 2024


def test_it_speaks_two_protocols() -> None:
    with pytest.raises(ConfigurationError, match="daytime and time, not 'ntp'"):
        find("time", protocol="ntp")


def test_a_framing_makes_no_sense_here() -> None:
    options: dict[str, Any] = {"framing": None}
    with pytest.raises(ConfigurationError, match="time has no option --framing"):
        find("time", **options)
