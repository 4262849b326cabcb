from __future__ import annotations

import pytest

from jackfield.services.commands.client import STRANGERS


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS is spoken there; write tls:// in place of tcp://"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS is spoken there; write tls:// in place of tcp://"),
        (b'{"why":"you do not speak TLS, and this endpoint does"}', "TLS is spoken there; write"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "no commands are run there, but HTTP; those of",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "no commands are run there, but SSH; ssh is the client"),
        (
            b"220 mail\r\nmore",
            "no commands are run there, but something that says '220 mail'; give",
        ),
        (b"\x1b[2J\xff", "no commands are run there, but something that says '"),
        (
            b"x" * 1000,
            f"no commands are run there, but something that says '{'x' * 60}...'; give",
        ),
    ],
    ids=range(8),
)
def test_who_is_there_is_told_by_what_they_say(data: bytes, says: str) -> None:
    told = str(STRANGERS.who(data))
    assert told.startswith(says)
    assert told.isprintable()
