"""The local authority: its files, and when they are made anew."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError
from jackfield.net.tls import client_context
from jackfield.tls import authority
from jackfield.tls.certificates import is_issued_by
from tests import handlers
from tests.certificates import Certificates
from tests.live import PATIENCE, Live, Peer

Home = Callable[[str], Path]

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Its files


def test_it_is_made_when_first_needed(here: Path) -> None:
    assert authority.trusted() == []
    assert not here.exists()
    cert, key = authority.serving_files()
    assert {path.name for path in here.iterdir()} == {
        "authority.pem", "authority.key", "machine.pem", "machine.key", "lock",
    }  # fmt: skip
    assert (cert, key) == (str(here / "machine.pem"), str(here / "machine.key"))
    for folder in (here, here.parent):
        assert mode(folder) == 0o700
    for name in ("authority.key", "machine.key"):
        assert mode(here / name) == 0o600
    assert authority.read(str(here / "authority.pem")).is_authority
    assert {"localhost", "127.0.0.1"} <= set(authority.read(cert).names)
    assert authority.trusted() == [str(here / "authority.pem")]


def test_what_is_there_stays(here: Path) -> None:
    authority.serving_files()
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    authority.serving_files()
    assert authority.certificate() == str(here / "authority.pem")
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(here: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        authority.serving_files()
        own = mode(here), mode(here / "authority.key"), mode(here / "authority.pem")
    finally:
        os.umask(before)
    assert own == (0o700, 0o600, 0o644)


def _make(start: multiprocessing.synchronize.Event, told: multiprocessing.Queue[str]) -> None:
    start.wait()
    cert, _ = authority.serving_files()
    told.put(Path(authority.certificate()).read_text() + Path(cert).read_text())


def test_processes_that_make_it_at_once_agree(here: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, told = spawn.Event(), spawn.Queue()
    makers = [spawn.Process(target=_make, args=(start, told)) for _ in range(3)]
    for maker in makers:
        maker.start()
    start.set()
    found = {told.get(timeout=PATIENCE) for _ in makers}
    for maker in makers:
        maker.join(PATIENCE)
    assert len(found) == 1
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def test_one_whose_making_was_broken_off_is_made_anew(here: Path) -> None:
    """A key is written before its certificate, so it alone may be there."""
    authority.serving_files()
    (here / "authority.pem").unlink()
    cert, _ = authority.serving_files()
    assert is_issued_by(Path(cert).read_bytes(), (here / "authority.pem").read_bytes())


UNUSABLE = "the authority there cannot be used ("


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("authority.pem", b"damaged", UNUSABLE),
        ("authority.key", b"damaged", UNUSABLE),
        ("authority.key", b"", UNUSABLE),
        ("authority.key", None, UNUSABLE + "authority.key is missing"),
        ("authority.pem", b"x" * (authority.MOST + 1), "more than the "),
    ],
    ids=["certificate", "key", "empty", "missing", "long"],
)
def test_a_damaged_one_is_one_clear_error(
    here: Path, name: str, content: bytes | None, words: str
) -> None:
    authority.serving_files()
    (here / "machine.pem").unlink()
    if content is None:
        (here / name).unlink()
    else:
        (here / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        authority.serving_files()
    assert words in str(caught.value)
    assert str(here) in str(caught.value)
    assert "\n" not in str(caught.value)
    if content is not None and name == "authority.pem":
        with pytest.raises(ConfigurationError, match=r"authority\.pem"):
            authority.read(str(here / name))


@needs_openssl
def test_keys_that_do_not_fit(here: Path, at: Home) -> None:
    there = at("there")
    authority.serving_files()
    at("here")
    authority.serving_files()
    (here / "machine.pem").unlink()
    shutil.copy(there / "authority.key", here / "authority.key")
    with pytest.raises(ConfigurationError, match=r"\(its key is that of another certificate\); "):
        authority.serving_files()
    encrypted = subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:secret", "-in", here / "authority.key"],
        check=True, capture_output=True, timeout=30,
    ).stdout  # fmt: skip
    (here / "authority.key").write_bytes(encrypted)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        authority.serving_files()


def test_a_folder_that_others_can_write_is_refused(here: Path) -> None:
    here.mkdir(parents=True)
    here.chmod(0o777)
    with pytest.raises(ConfigurationError, match="is no folder of yours alone"):
        authority.serving_files()


def test_a_home_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path / "file" / "home"))
    assert authority.trusted() == []
    with pytest.raises(ConfigurationError, match=r"Not a directory \(ENOTDIR\)"):
        authority.serving_files()


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG Base Directory Specification says: a relative path there counts as none."""
    monkeypatch.delenv("JACKFIELD_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    usual = tmp_path / ".local" / "share" / "jackfield" / "authority"
    assert authority.folder() == usual
    for value, found in (
        ("", usual),
        ("data", usual),
        ("/data", Path("/data/jackfield/authority")),
    ):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert authority.folder() == found
    monkeypatch.setattr(sys, "platform", "darwin")
    assert authority.folder() == tmp_path / "Library/Application Support/jackfield/authority"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert authority.folder() == tmp_path / "local" / "jackfield" / "authority"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clients trust what the system does; it can have no authority."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("JACKFIELD_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert authority.trusted() == []
    with pytest.raises(ConfigurationError, match="name one in JACKFIELD_HOME"):
        authority.serving_files()


# This machine's certificate


def renewed(here: Path, change: Callable[[], object]) -> bool:
    """Whether another certificate is there after this."""
    cert, _ = authority.serving_files()
    before = Path(cert).read_bytes()
    change()
    authority.serving_files()
    after = (here / "machine.pem").read_bytes()
    assert is_issued_by(after, (here / "authority.pem").read_bytes())
    return after != before


def test_it_is_made_anew_before_its_end(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for more, anew in ((1, False), (-1, True)):
        with monkeypatch.context() as patched:
            lasts = authority.RENEW + dt.timedelta(minutes=more)
            patched.setattr(authority, "LASTS", lasts)
            before = Path(authority.serving_files()[0]).read_bytes()
        authority.serving_files()
        assert ((here / "machine.pem").read_bytes() != before) == anew
        (here / "machine.pem").unlink()


def test_it_ends_with_its_authority_and_is_not_made_anew_for_that(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every look would make another."""
    monkeypatch.setattr(authority, "AUTHORITY_LASTS", dt.timedelta(days=5))
    assert not renewed(here, lambda: None)


def test_an_authority_past_its_end(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "AUTHORITY_LASTS", dt.timedelta(minutes=-1))
    with pytest.raises(ConfigurationError, match=r"cannot be used \(it was good until "):
        authority.serving_files()


def test_it_is_made_anew_for_new_names(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["localhost", "old"]
    monkeypatch.setattr(authority, "machine_names", lambda: names)
    assert not renewed(here, lambda: names.remove("old"))  # one too many does no harm
    assert renewed(here, lambda: names.append("new"))
    assert "new" in authority.read(str(here / "machine.pem")).names


def test_more_names_than_fit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"host-{number}" for number in range(200)]
    monkeypatch.setattr(authority, "machine_names", lambda: names)
    assert not renewed(here, lambda: None)


def test_it_is_made_anew_for_another_authority(here: Path) -> None:
    def replace() -> None:
        (here / "authority.pem").unlink()
        (here / "authority.key").unlink()

    assert renewed(here, replace)


@pytest.mark.parametrize("name", ["machine.pem", "machine.key"])
@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_it_is_made_anew_when_damaged(here: Path, name: str, content: bytes | None) -> None:
    def damage() -> None:
        if content is None:
            (here / name).unlink()
        else:
            (here / name).write_bytes(content)

    assert renewed(here, damage)


def test_it_is_made_anew_when_only_its_key_was_written(here: Path, tmp_path: Path) -> None:
    """The machine may have gone down between the two."""
    other = str(tmp_path / "other.pem"), str(tmp_path / "other.key")
    authority.make(["other"], *other)
    assert renewed(here, lambda: shutil.copy(other[1], here / "machine.key"))


def test_an_endpoint_that_names_one_keeps_it(here: Path) -> None:
    plain, named = parse("tcp://127.0.0.1:1"), parse("tls://127.0.0.1:1?cert=a&key=b")
    assert authority.with_certificate(plain) is plain
    assert authority.with_certificate(named) is named
    assert not here.exists()
    given = authority.with_certificate(parse("tls://127.0.0.1:1?alpn=h2"))
    assert given.options.cert == str(here / "machine.pem")
    assert given.options.alpn == "h2"
    web = authority.with_certificate(parse("wss://127.0.0.1:1/a"))
    assert (web.options.cert, web.resource) == (given.options.cert, "/a")
    assert authority.own_among([plain, named]) == ""
    assert authority.own_among([plain, given]) == str(here / "machine.pem")


# Without the package cryptography


def test_without_cryptography(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error says what to install; clients trust what is there all the same."""
    authority.serving_files()
    monkeypatch.delitem(sys.modules, "jackfield.tls.certificates")
    monkeypatch.delattr("jackfield.tls.certificates")
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    calls: list[Callable[[], object]] = [
        authority.serving_files,
        lambda: authority.read(str(here / "authority.pem")),
        lambda: authority.trust(str(here / "authority.pem")),
        lambda: authority.make(["a"], str(here / "a.pem"), str(here / "a.key")),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert str(caught.value) == (
            "the local authority needs the package cryptography: pip install 'jackfield[tls]'; or "
            "name a certificate with --cert FILE and --key FILE"
        )
    client_context(also=authority.trusted())
    assert len(authority.trusted()) == 1


def test_a_user_without_a_home_serves_what_needs_none(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """A container's user may have no entry among the users, and no HOME."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("JACKFIELD_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    for url in ("tcp://127.0.0.1:0", certificates.url()):
        with (
            Live(handlers.native, url) as live,
            Peer(live.endpoints[0], ca=certificates.ca) as peer,
        ):
            assert peer.ask("echo well") == "well"
    with (
        pytest.raises(ConfigurationError, match="no home folder"),
        Live(handlers.native, "tls://127.0.0.1:0"),
    ):
        pass
