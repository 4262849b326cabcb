"""A server that runs for longer than its certificate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jackfield.client import connect
from jackfield.events import Reloaded, Warned
from jackfield.framing import lines
from jackfield.models.names import ModelName
from jackfield.tls import authority, renewal
from tests.certificates import Certificates
from tests.live import PATIENCE, SEVERAL, Live, until
from tests.models import own


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path))
    monkeypatch.setattr(renewal, "INTERVAL", 0.01)
    return tmp_path / "authority"


@pytest.fixture
def make_due(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the certificate be one to make anew: the machine has a new name."""
    names = ["localhost"]
    monkeypatch.setattr(authority, "machine_names", lambda: names)
    return lambda: names.append("new")


def shown(live: Live) -> bytes:
    """The certificate by which a server speaks."""
    with connect(f"tls://127.0.0.1:{live.endpoints[0].port}", lines()) as conn:
        conn.send("hello")
        assert conn.receive(PATIENCE) == "HELLO"
        assert conn.tls is not None
        assert conn.tls.certificate is not None
        return conn.tls.certificate


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_new_connections_have_the_new_one(model: ModelName, make_due: Callable[[], None]) -> None:
    """Those that are there go on."""
    with Live(own.ASYNC, "tls://127.0.0.1:0", model=model) as live:
        with connect(f"tls://127.0.0.1:{live.endpoints[0].port}", lines()) as old:
            before = shown(live)
            make_due()
            live.await_event(Reloaded)
            assert shown(live) != before
            old.send("hello")
            assert old.receive(PATIENCE) == "HELLO"
        assert len(live.of(Reloaded)) == 1
        assert not live.of(Warned)


def test_what_goes_wrong_is_told_and_tried_again(here: Path, make_due: Callable[[], None]) -> None:
    with Live(own.ASYNC, "tls://127.0.0.1:0") as live:
        before = shown(live)
        key = (here / "authority.key").read_bytes()
        (here / "authority.key").write_bytes(b"damaged")
        make_due()
        warned = live.await_events(Warned, 2)
        assert warned[0].text.startswith("the certificate cannot be renewed: ")
        assert "cannot be used" in warned[0].text
        assert not live.of(Reloaded)
        (here / "authority.key").write_bytes(key)
        live.await_event(Reloaded)
        assert shown(live) != before


def test_what_cannot_be_loaded_is_tried_again(
    certificates: Certificates, tmp_path: Path, make_due: Callable[[], None]
) -> None:
    """Another endpoint's certificate, which its owner is just writing, say."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    good = Path(certificates.cert).read_bytes()
    cert.write_bytes(good)
    key.write_bytes(Path(certificates.key).read_bytes())
    other = f"tls://127.0.0.1:0?cert={cert}&key={key}"
    with Live(own.ASYNC, "tls://127.0.0.1:0", other) as live:
        before = shown(live)
        cert.write_bytes(b"")
        make_due()
        assert str(cert) in live.await_event(Warned).text
        assert shown(live) == before
        cert.write_bytes(good)
        live.await_event(Reloaded)
        assert shown(live) != before


def test_one_that_was_named_is_left_alone(here: Path, certificates: Certificates) -> None:
    with Live(own.ASYNC, certificates.url()) as live:
        assert live.call(lambda: live.server._renewing) is None
    assert not here.exists()


def test_it_ends_with_the_server() -> None:
    with Live(own.ASYNC, "tls://127.0.0.1:0") as live:
        task = live.call(lambda: live.server._renewing)
        assert task is not None
        live.stop()
        until(task.cancelled)
