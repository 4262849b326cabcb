"""A board with files, and the ways to move some: curl, HTTP, and the service's own protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from jackfield.endpoints import Endpoint
from tests.live import PATIENCE, dialed, free_port
from tests.owned import CONFIG, Lab
from tests.web import Browser, Reply

CURL = shutil.which("curl") or ""


class Said(NamedTuple):
    """What curl was answered. status: of the last answer. heads: of all, interim ones too."""

    status: int
    heads: str
    body: bytes


class Filed(Lab):
    """A board whose files are served at an endpoint of their own, too.

    options: more of them, in TOML.
    """

    def __init__(self, options: str = "", *, is_open: bool = False) -> None:
        super().__init__(is_open=is_open)
        self.ports["files"] = free_port()
        self.text = (
            CONFIG
            + '[services.files]\nendpoints = ["tcp://127.0.0.1:{files}"]\n'
            + f"options = {{{{ {options} }}}}\n"
        )
        self.write(self.text)

    def __enter__(self) -> Self:
        super().__enter__()
        self.wait_for(self.board.reload())
        return self

    @property
    def folder(self) -> Path:
        """Where they are."""
        return Path(self.board.files.own)

    def names(self) -> list[str]:
        """What is in the folder, parts and all."""
        return sorted(path.name for path in self.folder.iterdir())

    def token(self, name: str, role: str = "member") -> str:
        """Have somebody come in; give their token for programs."""
        return self.token_of(self.invited(name, role))

    def token_of(self, cookie: str) -> str:
        reply = self.post("/token", {}, Cookie=cookie)
        assert reply.status == 200, reply.text
        token: str = json.loads(reply.body)["token"]
        return token

    def http(
        self, method: str, name: str, body: bytes | None = None, token: str = "", **fields: str
    ) -> Reply:
        """Ask for a file. name: as it stands in the address."""
        if token:
            fields["Authorization"] = f"Bearer {token}"
        with Browser(self.endpoint("page")) as browser:
            return browser.ask(f"/files/{name}", method, body, **fields)

    def list(self, token: str, query: str = "") -> Any:
        """Give the list of files."""
        reply = self.http("GET", f"?json{query}", token=token)
        assert reply.status == 200, reply.text
        return json.loads(reply.body)

    def curl(self, *arguments: str, name: str = "", token: str = "") -> Said:
        """Run curl on a file."""
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        done = subprocess.run(
            [CURL, "-sS", "-i", "--path-as-is", *header, *arguments, f"{self.url}files/{name}"],
            capture_output=True,
            timeout=PATIENCE * 3,
            check=True,
        )
        heads, body = "", done.stdout
        while body.startswith(b"HTTP/"):
            head, _, body = body.partition(b"\r\n\r\n")
            heads += head.decode("latin-1") + "\r\n"
        status = int(
            [line for line in heads.splitlines() if line.startswith("HTTP/")][-1].split()[1]
        )
        return Said(status, heads, body)


class Native:
    """A client of the service's own protocol, by hand."""

    def __init__(self, endpoint: Endpoint, token: str) -> None:
        self._conn = dialed(endpoint)
        self._lines = self._conn.makefile("rb")
        self.hello = self.ask({"do": "hello", "version": 1, "token": token})

    def send(self, message: dict[str, Any], data: bytes = b"") -> None:
        self._conn.sendall(json.dumps(message).encode() + b"\n" + data)

    def ask(self, message: dict[str, Any], data: bytes = b"") -> Any:
        self.send(message, data)
        return self.heard()

    def heard(self) -> Any:
        """Give the next answer; None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line else None

    def put(self, name: str, data: bytes, digest: str, *, replace: bool = False) -> Any:
        message = {"do": "put", "name": name, "size": len(data), "body": len(data), "hash": digest}
        return self.ask(message | {"mode": 0o644, "replace": replace}, data)

    def close(self) -> None:
        self._lines.close()
        self._conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def filed(options: str = "", *, is_open: bool = False) -> Iterator[Filed]:
    """A board with files, which runs."""
    with Filed(options, is_open=is_open) as made:
        yield made
