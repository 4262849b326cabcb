from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.services.commands import people
from jackfield.services.commands.people import Proof, Tokens

DIGEST = hashlib.sha256(b"secret").digest()


def names(tokens: Tokens, proof: Proof) -> tuple[str, ...]:
    return asyncio.run(tokens.names(proof))


def test_who_somebody_is_comes_of_what_they_show() -> None:
    tokens = Tokens({"anna": DIGEST})
    assert names(tokens, Proof(DIGEST)) == ("anna",)
    assert names(tokens, Proof(DIGEST, "x", True, True)) == (
        "anna",
        "certificate:x",
        "me",
        "anyone",
    )
    assert names(tokens, Proof(is_here=True)) == ("anyone",)
    assert names(tokens, Proof()) == ()


def test_a_token_that_is_not_known_is_nobody_wherever_it_comes_from() -> None:
    assert names(Tokens({"anna": DIGEST}), Proof(b"x" * 32, "cert", True, True)) == ()


def test_a_token_file_has_digests(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# people\n\nanna:sha256:{DIGEST.hex()}\nбоб:sha256:{'0' * 64}\n")
    assert people.load(str(path)).digests == {"anna": DIGEST, "боб": bytes(32)}


@pytest.mark.parametrize(
    "line",
    ["anna:secret", "anna:sha256:12", f"anna:md5:{'0' * 64}", f"me:sha256:{'0' * 64}",
     f"x:sha256:{'0' * 64}"],
)  # fmt: skip
def test_what_is_no_digest_is_told_and_not_repeated(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"x:sha256:{'0' * 64}\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        people.load(str(path))
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert "secret" not in str(caught.value)
