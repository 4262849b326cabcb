"""TLS inside the connection: ends told apart, failures in words, and OpenSSL at the other end."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from jackfield.client import connect
from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    EndOfStream,
    JackfieldError,
    PeerLost,
    TLSError,
)
from jackfield.events import Events, Refused
from jackfield.framing import lines
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.tls import TLSLayer, client_context, server_context
from jackfield.server import Server
from jackfield.service import Service
from tests.certificates import Certificates
from tests.unit.net.wires import (
    FaceName,
    Loop,
    Wire,
    Wires,
    connected,
    read,
    rest,
    spawn,
    until,
)

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(params=VERSIONS)
def version(
    request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> Iterator[str]:
    """Both versions that are spoken; older ones are not."""
    before = [context.maximum_version for context in contexts]
    for context in contexts:
        context.maximum_version = VERSIONS[request.param]
    yield request.param
    for context, maximum in zip(contexts, before, strict=True):
        context.maximum_version = maximum


@pytest.fixture(params=[True, False], ids=["server", "client"])
def accepted(request: pytest.FixtureRequest) -> bool:
    """Either role."""
    return bool(request.param)


# Ends


@pytest.mark.usefixtures("version")
def test_each_side_ends_by_itself(wires: Wires, face: FaceName, accepted: bool) -> None:
    """Each half goes on after the end of the other, for as long and as much as it likes."""
    wire = wires.open("tls", face, accepted=accepted)
    wire.conn.send("first word")
    wire.conn.do("send_eof")
    assert rest(wire.peer) == b"first word\n"
    wire.peer.send(b"much more\n" * 50_000)
    assert wire.conn.take(50_000) == ["much more"] * 50_000
    wire.peer.send(b"the last\n")
    wire.peer.eof()
    assert wire.conn.rest() == ["the last"]
    wire.conn.do("close")
    wire.until_over()


@pytest.mark.usefixtures("version")
def test_the_peer_ends_its_side_first(wires: Wires, face: FaceName, accepted: bool) -> None:
    wire = wires.open("tls", face, Raw(), accepted=accepted)
    wire.peer.send(b"question")
    wire.peer.say_goodbye()
    assert wire.conn.rest() == [b"question"]
    sending = wire.conn.begin("send_many", [b"x" * 50_000] * 40)
    assert len(read(wire.peer, 2_000_000)) == 2_000_000
    sending.result(20)
    wire.conn.do("close")
    assert rest(wire.peer) == b""


@pytest.mark.usefixtures("version")
def test_half_a_record_is_at_hand_when_this_side_ends(wires: Wires) -> None:
    wire = wires.open("tls", framing=Raw())
    wire.peer.tls.write(b"y" * 5000)
    record = wire.peer._out.read()
    wire.peer.sock.sendall(record[:1000])
    until(lambda: wire.core.bytes_received >= 1000)
    wire.io.turn()
    wire.conn.do("send_eof")
    assert rest(wire.peer) == b""
    wire.peer.sock.sendall(record[1000:])
    wire.peer.eof()
    assert b"".join(wire.conn.rest()) == b"y" * 5000


@pytest.mark.usefixtures("version")
def test_a_stream_that_was_cut_off_is_told_from_one_that_ended(
    wires: Wires, face: FaceName, accepted: bool
) -> None:
    wire = wires.open("tls", face, accepted=accepted)
    wire.peer.send(b"whole\nhal")
    wire.peer.cut()
    assert wire.conn.receive() == "whole"
    for _ in range(2):
        with pytest.raises(PeerLost, match=r"^the stream was cut off: TCP ended without TLS clo"):
            wire.conn.receive()
    assert wire.core.reason.startswith("the stream was cut off")
    wire.conn.do("switch", Raw())
    assert wire.conn.receive() == b"hal"
    with pytest.raises(PeerLost):
        wire.conn.chunk()
    wire.conn.do("close")


def test_an_error_does_not_hide_that_it_was_cut_off(wires: Wires) -> None:
    wire = wires.open("tls")
    wire.peer.tls.write(b"good\n\xff\n")
    wire.peer.sock.sendall(wire.peer._out.read())
    wire.peer.cut()
    assert wire.conn.receive() == "good"
    with pytest.raises(JackfieldError, match="utf-8"):
        wire.conn.receive()
    wire.conn.do("switch", Raw())
    assert wire.conn.chunk() == b"\xff\n"
    with pytest.raises((PeerLost, EndOfStream)):
        wire.conn.receive()


@pytest.mark.usefixtures("version")
def test_the_end_that_comes_with_the_last_words(wires: Wires, face: FaceName) -> None:
    wire = wires.open("tls", face)
    wire.peer.tls.write(b"x" * 3000 + b"\n" + b"last\n")
    with contextlib.suppress(ssl.SSLError):
        wire.peer.tls.unwrap()
    wire.peer.sock.sendall(wire.peer._out.read())
    assert wire.conn.rest() == ["x" * 3000, "last"]


@pytest.mark.usefixtures("version")
def test_garbage_inside_ends_it_after_the_good_words(wires: Wires, face: FaceName) -> None:
    """Which came in the same read, whole."""
    wire = wires.open("tls", face)
    wire.peer.tls.write(b"good\nwords\n")
    wire.peer.sock.sendall(wire.peer._out.read() + b"\x17\x03\x03\x00\x20" + b"garbage" * 10)
    assert wire.conn.take(2) == ["good", "words"]
    with pytest.raises(PeerLost, match=r"^what the peer sent is no TLS \(.+\)$"):
        wire.conn.receive()
    with pytest.raises(PeerLost):
        wire.conn.send("x")
    wire.conn.do("close")
    wire.until_over()
    with pytest.raises((ssl.SSLError, ConnectionError)):  # it is told by an alert, where it gets to
        wire.peer.recv()


def test_plain_text_inside_ends_it(wires: Wires) -> None:
    wire = wires.open("tls")
    wire.peer.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(PeerLost, match=r"^what the peer sent is no TLS \("):
        wire.conn.receive()


def test_words_of_tls_itself_wait_their_turn(wires: Wires) -> None:
    """The answer to a peer's wish for new keys is written behind what waits already."""
    wire = wires.open("tls", framing=Raw(3_000_000), buffer=30_000)
    sending = wire.conn.begin("send", b"x" * 3_000_000)
    until(lambda: wire.core.unsent)
    wire.io.call(lambda: wire.core._send_raw(wire.core._tls.encrypt(b"behind")))
    wire.io.call(lambda: wire.core._send_raw(b""))
    assert read(wire.peer, 3_000_006) == b"x" * 3_000_000 + b"behind"
    sending.result(20)


def full(wire: Wire) -> list[bool]:
    """Have the system's buffer filled by other words, until the list says otherwise."""
    sock = wire.core._sock
    room = [False]

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(sock, name)

        def send(self, data: bytes) -> int:
            if not room[0]:
                raise BlockingIOError
            return int(sock.send(data))

    def fill(core: Any) -> None:
        core._sock = Full()

    wire.call(fill)
    return room


@pytest.mark.usefixtures("version")
def test_a_full_buffer_does_not_swallow_the_end(wires: Wires) -> None:
    """close_notify waits until there is room for it, and so does the end of TCP."""
    wire = wires.open("tls", framing=Raw(1_000_000))
    room = full(wire)
    ending = wire.conn.begin("send_eof")
    wire.io.turn()
    assert not ending.done()
    assert wire.core.unsent
    room[0] = True
    assert rest(wire.peer) == b""  # by close_notify: TLSPeer raises at a cut
    ending.result(20)


@pytest.mark.usefixtures("version")
def test_a_full_buffer_does_not_swallow_the_end_of_a_close(wires: Wires) -> None:
    wire = wires.open("tls", framing=Raw(1_000_000))
    room = full(wire)
    closing = wire.conn.begin("close")
    wire.io.turn()
    assert not closing.done()
    room[0] = True
    assert rest(wire.peer) == b""
    closing.result(20)


# Handshakes


@dataclass(frozen=True)
class Odd:
    """Certificates that are not as they should be."""

    stranger: Certificates
    elsewhere: Certificates
    expired: Certificates


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    folder = tmp_path_factory.mktemp("odd")

    def made(name: str, host: str, **options: Any) -> Certificates:
        authority = trustme.CA()
        leaf = authority.issue_cert(host, **options)
        paths = [str(folder / f"{name}-{part}.pem") for part in ("ca", "cert", "key")]
        authority.cert_pem.write_to_path(paths[0])
        leaf.cert_chain_pems[0].write_to_path(paths[1])
        leaf.private_key_pem.write_to_path(paths[2])
        return Certificates(*paths)

    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    return Odd(
        stranger=made("stranger", "127.0.0.1"),
        elsewhere=made("elsewhere", "example.org"),
        expired=made("expired", "127.0.0.1", not_after=past),
    )


class TLSServer:
    """A server of echo over TLS, and the reasons for which it has turned peers away."""

    def __init__(self, loop: Loop, url: str, limits: Limits | None = None) -> None:
        self.refused: list[str] = []
        self._loop = loop
        events = Events()
        events.subscribe(Refused, lambda event: self.refused.append(event.reason))

        async def echo(conn: Connection[str]) -> None:
            async for line in conn:
                await conn.send(line)

        async def started() -> Server[str]:
            service = Service("echo", echo, lines())
            server = Server(service, url, events=events, limits=limits)
            await server.start()
            return server

        self.server = loop.run(started())
        self.port = self.server.endpoints[0].port

    def close(self) -> None:
        self._loop.run(self.server.stop())

    def refusal(self) -> str:
        until(lambda: self.refused)
        (reason,) = self.refused
        return reason


Serve = Callable[..., TLSServer]


@pytest.fixture
def serve(wires: Wires) -> Iterator[Serve]:
    servers: list[TLSServer] = []

    def served(url: str, limits: Limits | None = None) -> TLSServer:
        servers.append(TLSServer(wires.loop(), url, limits))
        return servers[-1]

    yield served
    for server in servers:
        server.close()


def failure(url: str) -> str:
    """In what words connecting fails."""
    with pytest.raises(TLSError) as caught, connect(url, lines(), timeout=10):
        pass
    text = str(caught.value)
    assert text.startswith(f"{url}: ")
    assert "\n" not in text
    return text[len(url) + 2 :]


def test_an_unknown_authority(serve: Serve, certificates: Certificates, odd: Odd) -> None:
    server = serve(certificates.url())
    assert failure(f"tls://127.0.0.1:{server.port}?ca={odd.stranger.ca}") == (
        "the certificate of 127.0.0.1 cannot be trusted: unable to get local issuer certificate; "
        "if it is a service of Jackfield on another machine, type there: "
        "jackfield cert show > there.pem, and here: jackfield cert trust there.pem; "
        "or name its authority with --ca FILE"
    )
    assert server.refusal() == (
        "the other side does not trust this side's certificate (unknown ca)"
    )


def test_a_certificate_that_the_system_does_not_know(
    serve: Serve, certificates: Certificates
) -> None:
    server = serve(certificates.url())
    assert "name its authority with --ca FILE" in failure(f"tls://127.0.0.1:{server.port}")


def test_another_name(serve: Serve, odd: Odd) -> None:
    server = serve(odd.elsewhere.url())
    ca = f"?ca={odd.elsewhere.ca}"
    assert failure(f"tls://127.0.0.1:{server.port}{ca}") == (
        "the certificate of 127.0.0.1 cannot be trusted: "
        "IP address mismatch, certificate is not valid for '127.0.0.1'"
    )
    assert "certificate is not valid for 'localhost'" in failure(
        f"tls://localhost:{server.port}{ca}"
    )


def test_a_certificate_of_the_past(serve: Serve, odd: Odd) -> None:
    server = serve(odd.expired.url())
    assert failure(f"tls://127.0.0.1:{server.port}?ca={odd.expired.ca}") == (
        "the certificate of 127.0.0.1 cannot be trusted: certificate has expired"
    )
    assert server.refusal().endswith("certificate (certificate expired)")


NO_TLS = "the other side does not speak TLS; it may expect tcp:// instead"


@pytest.mark.parametrize(
    "said",
    [b"hi\n", b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\0", b"\xff" * 5000],
    ids=["line", "http", "nul", "long"],
)
def test_plain_text_to_a_tls_port(serve: Serve, certificates: Certificates, said: bytes) -> None:
    """One byte is enough to tell: who types a word need not wait for the deadline."""
    server = serve(certificates.url())
    with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        peer.sendall(said)
        while peer.recv(1000):  # an alert, perhaps; then the end and no reset
            pass
    assert server.refusal() == NO_TLS


@pytest.mark.parametrize("answer", [b"220 hello, who are you?\r\n", b"?\n", b"\x16 nearly TLS"])
def test_tls_to_a_plain_port(certificates: Certificates, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failing = spawn(lambda: failure(f"tls://127.0.0.1:{port}?ca={certificates.ca}"))
        peer, _ = listener.accept()
        with peer:
            peer.sendall(answer)
            assert failing.result(20) == NO_TLS


def test_a_plain_server_of_ours(serve: Serve, certificates: Certificates) -> None:
    server = serve("tcp://127.0.0.1:0")
    assert failure(f"tls://127.0.0.1:{server.port}?ca={certificates.ca}") == NO_TLS


@pytest.mark.parametrize("reset", [False, True])
def test_a_peer_that_leaves_instead_of_shaking_hands(
    certificates: Certificates, reset: bool
) -> None:
    """It is known at once, not when time is up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failing = spawn(lambda: failure(f"tls://127.0.0.1:{port}?ca={certificates.ca}"))
        peer, _ = listener.accept()
        peer.recv(10_000, socket.MSG_PEEK if reset else 0)
        peer.close()  # which resets where something is unread
        assert failing.result(5) == (
            "during the TLS handshake the peer reset the connection (ECONNRESET)"
            if reset
            else "the other side closed the connection during the TLS handshake; it may not speak "
            "TLS, and expect tcp:// instead"
        )


@pytest.mark.parametrize("half", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half"])
def test_a_client_that_leaves(serve: Serve, certificates: Certificates, half: bytes) -> None:
    server = serve(certificates.url())
    with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        peer.sendall(half)
    assert server.refusal() == "the other side closed the connection during the TLS handshake"


def test_a_client_that_resets(wires: Wires) -> None:
    ours, theirs = connected("tcp")
    ours.setblocking(False)
    core, ready = wires.start(wires.loop(), "tls", ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    assert str(ready.result(5)) == (
        "during the TLS handshake the peer reset the connection (ECONNRESET)"
    )
    assert core.is_over


def test_a_silent_client_has_until_the_deadline(serve: Serve, certificates: Certificates) -> None:
    server = serve(certificates.url(), Limits(handshake=0.01))
    with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        assert peer.recv(10) == b""
    assert server.refusal() == "no TLS handshake within 0.01 s"


def test_a_silent_server_has_until_the_deadline(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tls://127.0.0.1:{listener.getsockname()[1]}?ca={certificates.ca}"
        # within the time of the whole, TCP has to be connected
        ways: dict[str, dict[str, Any]] = {
            "0.01": {"limits": Limits(handshake=0.01)},
            "0.5": {"timeout": 0.5},
        }
        for seconds, options in ways.items():
            with pytest.raises(ConnectTimeout) as caught, connect(url, **options):
                pass
            assert str(caught.value) == f"{url}: no TLS handshake within {seconds} s"
            assert isinstance(caught.value, ConnectError)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("end_input", "this side stops"),
        ("close_soon", "the connection was closed during the TLS handshake"),
        ("abort", "the connection was closed during the TLS handshake"),
    ],
)
def test_an_end_during_the_handshake_is_told_once(wires: Wires, how: str, words: str) -> None:
    ours, theirs = connected("tcp")
    ours.setblocking(False)
    loop = wires.loop()
    core, ready = wires.start(loop, "tls", ours, limits=Limits(linger_time=0.01))
    loop.call(getattr(core, how))
    assert str(ready.result(5)) == words
    loop.call(core.close_soon)
    until(lambda: core._sock is None)  # type: ignore[attr-defined]
    theirs.close()


def test_a_server_stops_at_once_though_somebody_shakes_hands(
    wires: Wires, certificates: Certificates
) -> None:
    server = TLSServer(wires.loop(), certificates.url())
    with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        until(lambda: server.server.connections)
        stopping = spawn(server.close)
        assert peer.recv(10) == b""
        peer.close()
        stopping.result(4)  # not the five seconds that handlers have
    assert server.refused == ["this side stops"]


def test_a_client_that_shows_no_certificate(
    serve: Serve, certificates: Certificates, odd: Odd
) -> None:
    """Under TLS 1.3 it learns of it after its own handshake: when it receives."""
    server = serve(f"{certificates.url()}&ca={certificates.ca}")
    url = f"tls://127.0.0.1:{server.port}?ca={certificates.ca}"
    with connect(url, lines()) as conn, pytest.raises(PeerLost) as caught:
        conn.receive(20)
    assert str(caught.value) == (
        "the other side asks for a certificate; name one with --cert FILE and --key FILE"
    )
    assert server.refusal() == "the TLS handshake failed: peer did not return a certificate"
    del server.refused[:]
    strange = f"{url}&cert={odd.stranger.cert}&key={odd.stranger.key}"
    with connect(strange, lines()) as conn, pytest.raises(PeerLost) as caught:
        conn.receive(20)
    assert str(caught.value) == (
        "the other side does not trust this side's certificate (unknown ca)"
    )
    assert server.refusal().startswith("its certificate cannot be trusted: ")
    good = f"{url}&cert={certificates.cert}&key={certificates.key}"
    with connect(good, lines()) as conn:
        conn.send("hello")
        assert conn.receive(20) == "hello"


def test_an_alert_says_why_the_peer_ends() -> None:
    layer = TLSLayer(ssl.create_default_context(), "127.0.0.1")
    assert not layer.handshake()
    assert layer.output()
    layer.feed(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure
    with pytest.raises(TLSError, match=r"^the other side has ended TLS \(handshake failure\)$"):
        layer.handshake()


def test_another_failure_is_told_in_openssls_words(certificates: Certificates) -> None:
    layer = TLSLayer(server_context(certificates.cert, certificates.key))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("AES128-SHA")
    hello = TLSLayer(client, "127.0.0.1")
    assert not hello.handshake()
    layer.feed(hello.output())
    with pytest.raises(TLSError, match=r"^the TLS handshake failed: no shared cipher$"):
        layer.handshake()


def test_what_was_agreed_can_be_asked(wires: Wires, version: str, accepted: bool) -> None:
    wire = wires.open("tls", accepted=accepted)
    wire.peer.send(b"x\n")
    wire.conn.receive()  # by now the handshake is over on this side, too
    details = wire.core.tls
    assert details.version == f"TLSv{version}"
    assert details.cipher
    assert details.alpn is None
    assert (details.certificate is None) == accepted


# Settings


NO_FILE = "/no/such: No such file or directory"


@pytest.mark.parametrize(
    ("side", "files", "words"),
    [
        (server_context, ("/no/such", "key"), NO_FILE),
        (server_context, ("cert", "/no/such"), NO_FILE),
        (server_context, ("cert", "ca"), "{cert} and {ca}: no certificate with its key ("),
        (server_context, ("ca", ""), "{ca}: no certificate with its key ("),
        (server_context, ("cert", "key", "key"), "{key}: no certificate in PEM form in it"),
        (client_context, ("/no/such",), NO_FILE),
        (client_context, ("key",), "{key}: no certificate in PEM form in it"),
        (client_context, ("ca", "/no/such"), NO_FILE),
        (client_context, ("ca", "ca"), "{ca}: no certificate with its key ("),
        (
            server_context,
            ("", ""),
            "tls:// needs a certificate; name its files with --cert FILE and --key FILE",
        ),
    ],
    ids=map(str, range(10)),
)
def test_files_that_cannot_be_used(
    certificates: Certificates, side: Callable[..., Any], files: tuple[str, ...], words: str
) -> None:
    known = {"cert": certificates.cert, "key": certificates.key, "ca": certificates.ca}
    with pytest.raises(ConfigurationError) as caught:
        side(*(known.get(file, file) for file in files))
    assert str(caught.value).startswith(words.format(**known))
    assert "\n" not in str(caught.value)


def test_no_setting_is_weak(certificates: Certificates) -> None:
    for context in (
        server_context(certificates.cert, certificates.key),
        client_context(certificates.ca),
        client_context(),
    ):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
    for context in (client_context(certificates.ca), client_context()):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
    asks = server_context(certificates.cert, certificates.key, certificates.ca)
    assert asks.verify_mode == ssl.CERT_REQUIRED


def test_one_file_may_hold_certificate_and_key(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(Path(certificates.cert).read_text() + Path(certificates.key).read_text())
    server_context(str(both), "")
    client_context(certificates.ca, str(both))


# OpenSSL's own programs at the other end

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@contextlib.contextmanager
def openssl(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["openssl", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def heard(process: subprocess.Popen[bytes], wanted: bytes) -> None:
    """Read what it prints until there is a line like this."""
    assert process.stdout is not None
    for line in process.stdout:
        if wanted in line:
            return
    raise AssertionError(wanted)


@needs_openssl
@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_s_client(serve: Serve, certificates: Certificates, flag: str) -> None:
    server = serve(certificates.url())
    where = ("-connect", f"127.0.0.1:{server.port}", "-CAfile", certificates.ca)
    with openssl("s_client", *where, "-verify_return_error", "-quiet", flag) as client:
        for number in range(5):
            tell(client, b"hello %d\n" % number)
            heard(client, b"hello %d\n" % number)
    assert not server.refused


@needs_openssl
@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_s_client_that_wants_new_keys(serve: Serve, certificates: Certificates, flag: str) -> None:
    """K is a key update that asks for ours. R, in 1.2, a renegotiation: refused, and no harm."""
    server = serve(certificates.url())
    where = ("-connect", f"127.0.0.1:{server.port}", "-CAfile", certificates.ca)
    with openssl("s_client", *where, flag) as client:
        tell(client, b"before\n")
        heard(client, b"before")
        if flag == "-tls1_3":
            tell(client, b"K\n")
            heard(client, b"KEYUPDATE")
            tell(client, b"after\n")
            heard(client, b"after")
        else:
            tell(client, b"R\n")
            heard(client, b"RENEGOTIATING")
            heard(client, b"no renegotiation")
    with connect(f"tls://127.0.0.1:{server.port}?ca={certificates.ca}", lines()) as conn:
        conn.send("others go on")
        assert conn.receive(20) == "others go on"


@contextlib.contextmanager
def s_server(
    certificates: Certificates, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """OpenSSL's server, and the endpoint to connect to."""
    files = ("-cert", certificates.cert, "-key", certificates.key)
    with openssl("s_server", "-accept", "127.0.0.1:0", *files, *options) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        while not line.startswith(b"ACCEPT"):
            assert line
            line = server.stdout.readline()
        port = int(line.rpartition(b":")[2])
        yield server, f"tls://127.0.0.1:{port}?ca={certificates.ca}"


@needs_openssl
@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_s_server(certificates: Certificates, flag: str) -> None:
    """It sends each line back, reversed."""
    with s_server(certificates, "-rev", flag) as (_, url), connect(url, lines()) as conn:
        assert conn.tls is not None
        for word in ("live", "desserts"):
            conn.send(word)
            assert conn.receive(20) == word[::-1]
        conn.send("x" * 10_000)
        assert conn.receive(20) == "x" * 10_000
        conn.send_eof()
        assert list(conn) == []


@needs_openssl
def test_s_server_that_wants_to_renegotiate(certificates: Certificates) -> None:
    """It is refused: to write, one would have to wait for what is read meanwhile."""
    with s_server(certificates, "-tls1_2") as (server, url), connect(url, lines()) as conn:
        conn.send("before")
        heard(server, b"before")
        tell(server, b"r\n")
        with pytest.raises(PeerLost, match=r"^the other side has ended TLS \(handshake failure\)$"):
            conn.receive(20)


@needs_openssl
def test_s_server_that_wants_new_keys(certificates: Certificates) -> None:
    with s_server(certificates, "-tls1_3") as (server, url), connect(url, lines()) as conn:
        conn.send("before")
        heard(server, b"before")
        tell(server, b"welcome\n")
        assert conn.receive(20) == "welcome"  # so its tickets have come as well
        received = conn.bytes_received
        tell(server, b"K\n")
        until(lambda: conn.bytes_received > received)
        tell(server, b"from s_server\n")
        assert conn.receive(20) == "from s_server"
        conn.send("after")
        heard(server, b"after")


@needs_openssl
def test_s_server_that_falls_back_to_plain_text(certificates: Certificates) -> None:
    with s_server(certificates, "-tls1_3") as (server, url), connect(url, lines()) as conn:
        conn.send("before")
        heard(server, b"before")
        tell(server, b"P\n")
        with pytest.raises(PeerLost, match=r"^what the peer sent is no TLS \("):
            conn.receive(20)
