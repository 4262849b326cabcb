"""What is made holds before OpenSSL; what is read is what was made."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ConfigurationError
from jackfield.tls import certificates
from jackfield.tls.certificates import is_issued_by, new_authority, new_certificate, read

LASTS = dt.timedelta(days=90)
NAMES = ["localhost", "*.example.org", "127.0.0.1", "::1"]

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@pytest.fixture(scope="module")
def authority() -> tuple[bytes, bytes]:
    return new_authority("An authority", dt.timedelta(days=3650))


def test_what_is_made_is_read(authority: tuple[bytes, bytes]) -> None:
    now = dt.datetime.now(dt.UTC)
    own = read(authority[0])
    assert (own.subject, own.names, own.is_authority) == ("An authority", (), True)
    assert dt.timedelta(days=3649) < own.expires - now <= dt.timedelta(days=3650)
    made, key = new_certificate(NAMES, LASTS, *authority)
    one = read(made)
    assert one.subject == "localhost"
    assert set(one.names) == set(NAMES)
    assert not one.is_authority
    assert dt.timedelta(days=89) < one.expires - now <= LASTS
    assert len(one.fingerprint) == 64
    found = serialization.load_pem_private_key(key, None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    assert found.curve.name == "secp256r1"


def test_each_has_a_key_and_a_number_of_its_own(authority: tuple[bytes, bytes]) -> None:
    first, second = (new_certificate(["a"], LASTS, *authority) for _ in range(2))
    assert first[1] != second[1]
    assert read(first[0]).fingerprint != read(second[0]).fingerprint


def test_who_has_issued_it(authority: tuple[bytes, bytes]) -> None:
    """By its signature: another authority of the same name is another one."""
    made, _ = new_certificate(["a"], LASTS, *authority)
    other, _ = new_authority("An authority", LASTS)
    assert is_issued_by(made, authority[0])
    assert not is_issued_by(made, other)
    assert not is_issued_by(made, b"no certificate")
    with pytest.raises(ValueError, match="PEM"):
        is_issued_by(b"no certificate", authority[0])


def test_it_ends_with_its_authority(authority: tuple[bytes, bytes]) -> None:
    short = new_authority("short", dt.timedelta(days=5))
    made = read(new_certificate(["a"], LASTS, *short)[0])
    assert abs(made.expires - read(short[0]).expires) < dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a..b", "-a", "a-", "a" * 64, "*", "*.", "a.*.b", "b\u00fccher.example", "a\n",
     "1.2.3.4/24", "tcp://a", "a:1", ".".join(["a" * 60] * 5)],
)  # fmt: skip
def test_what_is_no_name(authority: tuple[bytes, bytes], name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        new_certificate([name], LASTS, *authority)
    assert str(caught.value).endswith(
        " is neither the name of a host nor an address; for example example.org"
    )
    assert "\n" not in str(caught.value)


def test_how_many_names_fit(authority: tuple[bytes, bytes]) -> None:
    most = certificates.MOST_NAMES
    names = [f"host-{number}" for number in range(most + 1)]
    assert read(new_certificate(names[:most], LASTS, *authority)[0]).names == tuple(names[:most])
    for wrong in ([], names):
        with pytest.raises(ConfigurationError, match=f"names, and 1 to {most} fit in a certific"):
            new_certificate(wrong, LASTS, *authority)


def pem_of(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: str = ""
) -> bytes:
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        how = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def test_an_authority_that_is_none(authority: tuple[bytes, bytes]) -> None:
    cert, key = authority
    other = ec.generate_private_key(ec.SECP256R1())
    for wrong in (
        (b"damaged", key),
        (cert, b"damaged"),
        (cert[:300], key),
        (cert, pem_of(ed25519.Ed25519PrivateKey.generate())),
        (cert, pem_of(other)),
    ):
        with pytest.raises(ValueError, match=r"."):
            new_certificate(["a"], LASTS, *wrong)
    with pytest.raises(TypeError, match="encrypted"):
        new_certificate(["a"], LASTS, cert, pem_of(other, "secret"))


def test_an_authority_past_its_end() -> None:
    past = new_authority("past", dt.timedelta(seconds=-60))
    with pytest.raises(ValueError, match=r"^it was good until "):
        new_certificate(["a"], LASTS, *past)


@given(st.binary(max_size=300))
def test_reading_rubbish_raises_value_error(data: bytes) -> None:
    """Anything that is no certificate raises ValueError and nothing else."""
    framed = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    for each in (data, framed):
        with pytest.raises(ValueError, match=r"."):
            read(each)


def verified(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@needs_openssl
def test_openssl_verifies_it(authority: tuple[bytes, bytes], tmp_path: Path) -> None:
    """For servers and for clients, strictly, by each name; and not by another."""
    made, key = new_certificate(NAMES, LASTS, *authority)
    for name, data in (("ca.pem", authority[0]), ("cert.pem", made), ("key.pem", key)):
        (tmp_path / name).write_bytes(data)
    for purpose in ("sslserver", "sslclient"):
        done = verified(tmp_path, "-purpose", purpose, "cert.pem")
        assert done.stdout == "cert.pem: OK\n", done.stderr
    for name in ("localhost", "www.example.org"):
        assert verified(tmp_path, "-verify_hostname", name, "cert.pem").returncode == 0
    for address in ("127.0.0.1", "::1"):
        assert verified(tmp_path, "-verify_ip", address, "cert.pem").returncode == 0
    for wrong in (("-verify_hostname", "example.com"), ("-verify_ip", "127.0.0.2")):
        assert "mismatch" in verified(tmp_path, *wrong, "cert.pem").stderr


@needs_openssl
def test_what_an_authority_has_issued_can_issue_nothing(
    authority: tuple[bytes, bytes], tmp_path: Path
) -> None:
    middle = new_certificate(["middle"], LASTS, *authority)
    leaf, _ = new_certificate(["leaf"], LASTS, *middle)
    for name, data in (("ca.pem", authority[0]), ("middle.pem", middle[0]), ("leaf.pem", leaf)):
        (tmp_path / name).write_bytes(data)
    done = verified(tmp_path, "-untrusted", "middle.pem", "leaf.pem")
    assert done.returncode != 0
    assert "invalid CA certificate" in done.stderr
