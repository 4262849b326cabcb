"""TLS with ncat and socat, which are others' work, at either end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jackfield.client import connect
from jackfield.framing import lines
from tests import handlers
from tests.certificates import Certificates
from tests.live import PATIENCE, Live, free_port, until


def clients(port: int, ca: str) -> dict[str, list[str]]:
    """Commands that connect to a port of this machine, and verify who is there."""
    verified = f"OPENSSL-CONNECT:127.0.0.1:{port},cafile={ca},verify=1"
    trusting = ["--ssl-verify", "--ssl-trustfile", ca]
    return {
        "socat": ["socat", "-t", "5", "STDIO", verified],
        "ncat": ["ncat", *trusting, "--ssl-servername", "localhost", "127.0.0.1", str(port)],
        "openssl": [
            *("openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", ca),
            *("-connect", f"127.0.0.1:{port}"),
        ],
    }


@pytest.mark.parametrize("name", ["socat", "ncat", "openssl"])
def test_they_are_served(name: str, certificates: Certificates) -> None:
    with Live(handlers.native, certificates.url()) as live:
        command = clients(live.endpoints[0].port, certificates.ca)[name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            out, _ = client.communicate(b"echo hello\nquit\n", PATIENCE)
        assert out == b"hello\ndone\n"


def servers(port: int, files: Certificates) -> dict[str, list[str]]:
    """Commands that listen, and send back what comes."""
    with_files = f"cert={files.cert},key={files.key},verify=0"
    return {
        "socat": [
            "socat",
            f"OPENSSL-LISTEN:{port},reuseaddr,bind=127.0.0.1,{with_files}",
            "EXEC:cat",
        ],
        "ncat": [
            *("ncat", "--ssl", "--ssl-cert", files.cert, "--ssl-key", files.key),
            *("-l", "127.0.0.1", str(port), "--exec", "/bin/cat"),
        ],
        "openssl": [
            *("openssl", "s_server", "-quiet", "-rev", "-naccept", "1", "-cert", files.cert),
            *("-key", files.key, "-accept", f"127.0.0.1:{port}"),
        ],
    }


@contextmanager
def listening(name: str, files: Certificates) -> Iterator[int]:
    """Run such a server on a free port."""
    port = free_port()
    with subprocess.Popen(
        servers(port, files)[name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            until(lambda: _listens(port))
            yield port
        finally:
            server.kill()


def _listens(port: int) -> bool:
    """Whether somebody listens there, without connecting: some serve one connection only."""
    rows = Path("/proc/net/tcp").read_text("ascii").splitlines()
    return any(row.split()[1:4:2] == [f"0100007F:{port:04X}", "0A"] for row in rows)


@pytest.mark.parametrize("name", ["socat", "ncat", "openssl"])
def test_they_serve_us(name: str, certificates: Certificates) -> None:
    with (
        listening(name, certificates) as port,
        connect(f"tls://127.0.0.1:{port}?ca={certificates.ca}", lines()) as conn,
    ):
        conn.send("hello")
        assert conn.receive() == ("olleh" if name == "openssl" else "hello")
        conn.send_eof()
