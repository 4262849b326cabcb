"""`jackfield cert`, as two machines of one owner use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jackfield.cli.main import run
from jackfield.tls import authority
from tests.commands.people import COMMAND, Piped

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "here" / "authority"


Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command; give what it says."""

    def saying(*arguments: str, status: int = 0) -> str:
        assert run(["cert", *arguments]) == status
        out, err = capsys.readouterr()
        assert not (out and err)
        return out if status == 0 else err

    return saying


def test_what_there_is(said: Said, here: Path) -> None:
    own = here / "authority.pem"
    assert said() == (
        f"There is no authority here yet; the first tls:// service makes it in {own}\n"
    )
    assert said("--json") == "{}\n"
    assert not here.exists()
    authority.certificate()
    one = authority.read(str(own))
    assert said() == (
        f"This machine's authority: {one.subject}, until {one.expires:%Y-%m-%d}\n"
        f"  SHA-256 {one.fingerprint}\n"
        f"  {own}\n"
    )
    assert json.loads(said("--json")) == {
        str(own): {
            "subject": one.subject,
            "fingerprint": one.fingerprint,
            "expires": one.expires.isoformat(),
        }
    }


def test_show_makes_it_and_shows_no_key(said: Said, here: Path) -> None:
    shown = said("show")
    assert shown == (here / "authority.pem").read_text()
    assert shown.startswith("-----BEGIN CERTIFICATE-----\n")
    assert "KEY" not in shown
    assert said("show") == shown


def shown_there(said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What another machine shows, in a file."""
    with monkeypatch.context() as there:
        there.setenv("JACKFIELD_HOME", str(tmp_path / "there"))
        (tmp_path / "there.pem").write_text(said("show"))
    return tmp_path / "there.pem"


def test_trust_and_forget(
    said: Said, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = shown_there(said, monkeypatch, tmp_path)
    one = authority.read(str(path))
    assert said("trust", str(path)) == (
        f"From now on {one.subject} is trusted, until {one.expires:%Y-%m-%d}.\n"
        f"Compare with what `jackfield cert` says there: SHA-256 {one.fingerprint}\n"
    )
    listed = said()
    assert "There is no authority here yet" in listed
    assert f"Trusted as well: {one.subject}, until " in listed
    assert not (here / "authority.pem").exists()  # trusting another makes none
    assert said("forget", one.fingerprint[:6]) == f"{one.subject} is not trusted any more.\n"
    assert "Trusted as well" not in said()
    assert said("forget", one.fingerprint, status=2) == (
        "jackfield: 0 trusted authorities have a fingerprint that begins with "
        f"{one.fingerprint!r}; `jackfield cert` lists them\n"
    )


def test_errors_are_one_line(said: Said, here: Path, tmp_path: Path) -> None:
    for arguments in (
        ("trust", "none.pem"),
        ("trust", "/dev/null"),
        ("make", "no host"),
        ("make", "a", "--out", "no/such/folder"),
        ("forget", ""),
        ("make",),
        ("sign",),
    ):
        error = said(*arguments, status=2)
        assert error.startswith("jackfield"), error
        assert error.count("\n") == 1
    assert list(tmp_path.glob("*.pem")) == []
    (here / "trusted").mkdir()
    (here / "trusted" / "damaged.pem").write_text("?")
    assert said(status=2).startswith(f"jackfield: {here}/trusted/damaged.pem: no certificate that")


@pytest.mark.parametrize(
    ("arguments", "prefix"),
    [
        (("www.example.org", "192.0.2.7"), "www.example.org"),
        (("*.example.org",), "_.example.org"),
        (("2001:db8::1",), "2001_db8__1"),
        (("a", "--out", "mine"), "mine"),
    ],
)
def test_make(said: Said, tmp_path: Path, arguments: tuple[str, ...], prefix: str) -> None:
    out = said("make", *arguments)
    names = arguments if "--out" not in arguments else arguments[:1]
    assert re.fullmatch(
        rf"{re.escape(prefix)}\.pem: for {re.escape(', '.join(names))}, until \d{{4}}-\d\d-\d\d\n"
        rf"{re.escape(prefix)}\.key: its key; keep it to yourself\n",
        out,
    )
    assert (tmp_path / f"{prefix}.key").stat().st_mode & 0o777 == 0o600
    assert authority.read(f"{prefix}.pem").names == names


def test_a_machine_without_cryptography(tmp_path: Path) -> None:
    """The command says in one line what to install."""
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").write_text(
        "raise ModuleNotFoundError('no', name='cryptography')\n"
    )
    with Piped("cert", "show", PYTHONPATH=str(tmp_path)) as command:
        status, out, error = command.finish()
    assert (status, out) == (2, b"")
    assert error.startswith("jackfield: the local authority needs the package cryptography: pip i")
    assert error.count("\n") == 1
    with Piped("serve", "echo", "tls://127.0.0.1:0", PYTHONPATH=str(tmp_path)) as command:
        status, out, error = command.finish()
    assert status == 2
    assert "pip install 'jackfield[tls]'" in error


def asking(port: int, home: Path, **more: str) -> tuple[int, str, str]:
    """`jackfield connect` on another machine: its status, output and error."""
    with Piped(
        "connect", f"tls://localhost:{port}", "--framing", "lines", "--once",
        JACKFIELD_HOME=str(home), **more,
    ) as client:  # fmt: skip
        client.write("hello\n")
        status, out, error = client.finish()
    return status, out.decode(), error


def test_two_machines(said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One serves without any file. The other one's error says what to type, and it works."""
    there, here = tmp_path / "there", tmp_path / "here"
    with Piped("serve", "upper", "tls://127.0.0.1:0", JACKFIELD_HOME=str(there)) as served:
        said_so = served.await_output("\n").decode()
        port = int(re.findall(r":(\d+)\b", said_so.split("listening on ")[1])[0])
        assert asking(port, there) == (0, "HELLO\n", "")
        status, out, error = asking(port, here)
        assert (status, out, error.count("\n")) == (1, "", 1)
        found = re.search(r"type there: (.+), and here: (.+); or name its", error)
        assert found
        for command, home in ((found[1], there), (found[2], here)):
            words, _, target = command.partition(" > ")
            done = subprocess.run(
                [*COMMAND, *words.split()[1:]],
                env={**os.environ, "JACKFIELD_HOME": str(home)},
                capture_output=True, timeout=30, check=True,
            )  # fmt: skip
            if target:
                (tmp_path / target).write_bytes(done.stdout)
        assert asking(port, here) == (0, "HELLO\n", "")
        (trusted,) = (here / "authority" / "trusted").iterdir()
        said("forget", trusted.stem)
        assert asking(port, here)[0] == 1
    assert not list((here / "authority").rglob("*.key"))


@needs_openssl
def test_openssl_takes_what_is_made(said: Said, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(said("show"))
    said("make", "localhost", "127.0.0.1")
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "localhost.pem"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout == "localhost.pem: OK\n", done.stderr
