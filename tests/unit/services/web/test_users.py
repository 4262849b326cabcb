from __future__ import annotations

import base64
import hashlib

import pytest

from jackfield.errors import ConfigurationError
from jackfield.services.web.users import Users

SHA256 = hashlib.sha256("pässword".encode()).hexdigest()
SHA512 = hashlib.sha512(b"a:b").hexdigest()

USERS = Users([f"anna:sha256:{SHA256}", f"bob:sha512:{SHA512.upper()}"])


def basic(pair: str | bytes) -> str:
    data = pair.encode() if isinstance(pair, str) else pair
    return "Basic " + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("said", "user"),
    [
        (basic("anna:pässword"), "anna"),
        (basic("bob:a:b"), "bob"),
        (basic("anna:pässword").replace("Basic", "BASIC"), "anna"),
        (basic("anna:pässword").replace(" ", "  "), "anna"),
        (basic("anna:password"), None),
        (basic("anna:"), None),
        (basic("anna"), None),
        (basic("Anna:pässword"), None),
        (basic("bob:pässword"), None),
        (basic("eve:nobody"), None),
        (basic(":nobody"), None),
        (basic(f"anna:{SHA256}"), None),
        (basic(b"anna:p\xe4ssword"), None),
        (basic("anna:" + "x" * 3000), None),
        ("Basic", None),
        ("Basic ", None),
        ("Basic ====", None),
        ("Basic \xff", None),
        ("Bearer " + basic("anna:pässword")[6:], None),
        (basic("anna:pässword")[6:], None),
        ("", None),
    ],
)
def test_who_proves_it(said: str, user: str | None) -> None:
    assert USERS.find(said) == user


def test_nobody_is_a_user_of_none() -> None:
    users = Users([])
    assert not users
    assert users.find(basic("nobody:nobody")) is None


@pytest.mark.parametrize(
    "given",
    [
        "anna:secret",
        "anna",
        "",
        f":sha256:{SHA256}",
        f"anna:sha256:{SHA256[:-1]}",
        f"anna:sha512:{SHA256}",
        f"anna:md5:{'0' * 32}",
        f"anna:sha256:{'g' * 64}",
        f"a\nb:sha256:{SHA256}",
        f"{'a' * 65}:sha256:{SHA256}",
    ],
)
def test_what_is_no_user_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ConfigurationError, match="sha256sum") as caught:
        Users([given])
    assert "secret" not in str(caught.value)
    assert SHA256 not in str(caught.value)
