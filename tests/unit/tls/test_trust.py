"""TLS by the local authority: on one machine, between two, and with other programs."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jackfield.client import connect
from jackfield.errors import ConfigurationError, PeerLost, TLSError
from jackfield.events import Refused
from jackfield.framing import lines
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.tls import authority
from tests.certificates import Certificates
from tests.live import PATIENCE, SEVERAL, Live, in_loop
from tests.models import own

Home = Callable[[str], Path]

TLS = "tls://127.0.0.1:0"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.usefixtures("here")
def test_tls_needs_no_files(model: ModelName) -> None:
    """And is verified, by each name of this machine."""
    with Live(own.ASYNC, TLS, model=model) as live:
        for host in ("127.0.0.1", "localhost"):
            url = f"tls://{host}:{live.endpoints[0].port}"
            with connect(url, lines()) as conn:
                conn.send("hello")
                assert conn.receive(PATIENCE) == "HELLO"
                assert conn.tls is not None
                assert conn.tls.version == "TLSv1.3"


HINT = (
    "; if it is a service of Jackfield on another machine, type there: "
    "jackfield cert show > there.pem, and here: jackfield cert trust there.pem; "
    "or name its authority with --ca FILE"
)


def reached(port: int) -> str:
    """What comes of connecting: the answer, or the error."""
    url = f"tls://127.0.0.1:{port}"
    try:
        with connect(url, lines()) as conn:
            conn.send("hello")
            return conn.receive(PATIENCE)
    except TLSError as error:
        return str(error).removeprefix(f"{url}: ")


@pytest.mark.parametrize("has_one", [False, True])
def test_another_machine_has_to_trust_it_first(at: Home, has_one: bool) -> None:
    """Authorities of two machines of one name are two, and told apart."""
    there = at("there")
    with Live(own.ASYNC, TLS) as live:
        port = live.endpoints[0].port
        here = at("here")
        if has_one:
            authority.serving_files()
        said = reached(port)
        assert said.startswith("the certificate of 127.0.0.1 cannot be trusted: ")
        assert said.endswith(HINT)
        one = authority.trust(str(there / "authority.pem"))
        assert authority.trust(str(there / "authority.pem")) == one
        assert len(authority.trusted()) == 1 + has_one
        assert reached(port) == "HELLO"
        assert [path.name for path in (here / "trusted").iterdir()] == [
            f"{one.fingerprint[:16]}.pem"
        ]
        assert authority.forget(one.fingerprint) == one
        assert reached(port).endswith(HINT)
        assert live.await_events(Refused, 2)[0].reason == (
            "the other side does not trust this side's certificate (unknown ca)"
        )


def test_no_file_but_an_authority_alone_is_trusted(here: Path, tmp_path: Path) -> None:
    cert, key = authority.serving_files()
    own_pem, own_key = here / "authority.pem", here / "authority.key"
    both = tmp_path / "both.pem"
    both.write_bytes(own_pem.read_bytes() + own_key.read_bytes())
    two = tmp_path / "two.pem"
    two.write_bytes(own_pem.read_bytes() * 2)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for path, words in (
        (both, "there is a private key in it; bring the certificate alone, and keep the key"),
        (Path(key), "there is a private key in it"),
        (two, "2 certificates in it, and an authority has one"),
        (tmp_path / "none", "No such file or directory"),
        (Path("/dev/null"), "0 certificates in it"),
        (rubbish, "no certificate that can be read ("),
        (Path(cert), "which is no authority; on the other machine `jackfield cert show` prints"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            authority.trust(str(path))
        assert str(caught.value).startswith(f"{path}: ")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert authority.trusted() == [str(own_pem)]


def test_text_around_a_certificate_is_left_out(at: Home, tmp_path: Path) -> None:
    there = at("there")
    path = tmp_path / "mailed.txt"
    path.write_bytes(b"Here it is:\r\n" + Path(authority.certificate()).read_bytes() + b"Regards\n")
    here = at("here")
    one = authority.trust(str(path))
    assert authority.read(str(there / "authority.pem")) == one
    (kept,) = (here / "trusted").iterdir()
    assert b"Regards" not in kept.read_bytes()
    assert mode(here / "trusted") == 0o700


def test_forgetting_needs_the_right_one(at: Home) -> None:
    ones = []
    for name in ("there", "elsewhere"):
        at(name)
        path = authority.certificate()
        at("here")
        ones.append(authority.trust(path))
    first = ones[0].fingerprint
    wrong = first[:20] + ("0" if first[20] != "0" else "1")
    for fingerprint, count in (("", 2), ("x", 0), (wrong, 0), ("*", 0)):
        with pytest.raises(ConfigurationError) as caught:
            authority.forget(fingerprint)
        assert str(caught.value) == (
            f"{count} trusted authorities have a fingerprint that begins with {fingerprint!r}; "
            "`jackfield cert` lists them"
        )
    colons = ":".join(first[at : at + 2] for at in range(0, 64, 2)).upper()
    assert authority.forget(colons) == ones[0]  # as openssl prints it
    assert authority.forget(ones[1].fingerprint[:8]) == ones[1]
    assert authority.trusted() == []


def test_both_sides_may_show_certificates(
    here: Path, tmp_path: Path, certificates: Certificates
) -> None:
    """By `make()`, signed by the one authority; a stranger's is refused."""
    cert, key = str(tmp_path / "client.pem"), str(tmp_path / "client.key")
    authority.make(["me.example", "192.0.2.7"], cert, key)
    assert mode(Path(key)) == 0o600
    with Live(own.ASYNC, f"{TLS}?ca={here}/authority.pem") as live:
        url = f"tls://127.0.0.1:{live.endpoints[0].port}"
        with connect(f"{url}?cert={cert}&key={key}", lines()) as conn:
            conn.send("hello")
            assert conn.receive(PATIENCE) == "HELLO"
        with connect(url, lines()) as conn:
            assert list(conn) == []
        assert live.await_event(Refused).reason == (
            "the TLS handshake failed: peer did not return a certificate"
        )
        strange = f"{url}?cert={certificates.cert}&key={certificates.key}"
        with connect(strange, lines()) as conn, pytest.raises(PeerLost, match="does not trust"):
            conn.receive(PATIENCE)
        assert live.await_events(Refused, 2)[1].reason == (
            "its certificate cannot be trusted: unable to get local issuer certificate; "
            "name its authority with --ca FILE"
        )


@pytest.mark.parametrize(
    ("theirs", "ours", "agreed"),
    [("h2,http/1.1", "h2,http/1.1", "h2"), ("http/1.1,h2", "h2,http/1.1", "http/1.1"),
     ("h2", "http/1.1,h2", "h2"), ("h2", "", None), ("", "h2", None)],
)  # fmt: skip
@pytest.mark.usefixtures("here")
def test_the_server_chooses_the_protocol(theirs: str, ours: str, agreed: str | None) -> None:
    """RFC 7301, section 3.2."""
    seen: list[str | None] = []
    option = f"?alpn={theirs}" if theirs else ""
    with Live(noting(seen), TLS + option) as live:
        url = f"tls://127.0.0.1:{live.endpoints[0].port}"
        with connect(url + (f"?alpn={ours}" if ours else ""), lines()) as conn:
            conn.send("x")
            assert conn.receive(PATIENCE) == "x"
            assert conn.tls is not None
            assert conn.tls.alpn == agreed
    assert seen == [agreed]


def noting(seen: list[str | None]) -> Service[str]:
    """A service that notes which protocol was agreed on."""

    async def echo(conn: Connection[str]) -> None:
        async for line in conn:
            assert conn.tls is not None
            seen.append(conn.tls.alpn)
            await conn.send(line)

    return Service("noting", echo, lines())


@pytest.mark.parametrize(("host", "told"), [("localhost", "localhost"), ("127.0.0.1", None)])
@in_loop
async def test_a_client_says_which_host_it_wants(host: str, told: str | None) -> None:
    """SNI is for names alone (RFC 6066, section 3)."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.serving_files())
    context.sni_callback = lambda _, name, __: names.append(name)

    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"tls://{host}:{port}", lines()) as conn:
            async for _ in conn:
                pass
    assert names == [told]


# OpenSSL's own programs


@needs_openssl
def test_s_client_verifies_it(here: Path) -> None:
    with Live(own.ASYNC, TLS) as live:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{live.endpoints[0].port}",
             "-CAfile", here / "authority.pem", "-verify_return_error", "-verify_hostname",
             "localhost", "-quiet", "-no_ign_eof"],
            input=b"bye\n", capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert b"verify error" not in done.stderr
        assert not live.of(Refused)


@needs_openssl
def test_our_client_verifies_what_was_made_for_s_server(here: Path, tmp_path: Path) -> None:
    cert, key = str(tmp_path / "made.pem"), str(tmp_path / "made.key")
    authority.make(["localhost"], cert, key)
    with subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            line = b"?"
            while line and not line.startswith(b"ACCEPT"):
                line = server.stdout.readline()
            port = int(line.rpartition(b":")[2])
            with connect(f"tls://localhost:{port}", lines()) as conn:
                conn.send("live")
                assert conn.receive(PATIENCE) == "evil"
            assert "is not valid for '127.0.0.1'" in reached(port)
        finally:
            server.kill()


def test_nothing_is_served_to_who_knows_no_authority(here: Path) -> None:
    """Python's own client, with the system's authorities alone."""
    with Live(own.ASYNC, TLS) as live:
        context = ssl.create_default_context()
        address = ("127.0.0.1", live.endpoints[0].port)
        with socket.create_connection(address, PATIENCE) as sock, pytest.raises(ssl.SSLError):
            context.wrap_socket(sock, server_hostname="localhost")
        context.load_verify_locations(here / "authority.pem")
        with (
            socket.create_connection(address, PATIENCE) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as secured,
        ):
            secured.sendall(b"hello\n")
            assert secured.recv(10) == b"HELLO\n"


def test_a_damaged_file_among_the_trusted_is_named(here: Path) -> None:
    """Whoever connects is told which file it is, and not that the peer is at fault."""
    with Live(own.ASYNC, TLS) as live:
        assert reached(live.endpoints[0].port) == "HELLO"
        (here / "trusted").mkdir()
        path = here / "trusted" / "damaged.pem"
        path.write_bytes(b"?")
        with pytest.raises(ConfigurationError) as caught:
            reached(live.endpoints[0].port)
        assert str(caught.value) == f"{path}: no certificate in PEM form in it"
