"""A `get` that was ended in the middle: the same command once more goes on, and does only that."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cable import Cable
from tests.live import PATIENCE, until
from tests.moved import Served, command, contents, parts_in

MB = 1024 * 1024
LONG = os.urandom(8 * MB)


class Stalling(Cable):
    """A cable that carries so many bytes from the server, and no more until it `may_pass`."""

    def __init__(self, port: int, size: int) -> None:
        super().__init__(port)
        self.left = size
        self.may_pass = threading.Event()
        self._there_port = port

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        if one.getpeername()[1] != self._there_port:
            super()._carry(one, other)
            return
        try:
            while data := one.recv(65536):
                self.left -= len(data)
                if self.left < 0:
                    self.may_pass.wait(PATIENCE)
                other.sendall(data)
        except OSError:  # one of them is gone
            other.close()


def long_has_begun(folder: Path) -> bool:
    """Whether something of the long file is there: those before it are there whole, then."""
    with suppress(FileNotFoundError):  # one that has just become whole
        return any(part.stat().st_size > len("before") for part in parts_in(folder))
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["-r", "many"], "many"),
        (["many/long"], "long"),
        (["many/long", "--name", "other"], "other"),
    ],
)
@pytest.mark.some(1)
def test_the_same_command_goes_on_into_the_folder_that_it_has_made(
    words: list[str], name: str, number: signal.Signals, tmp_path: Path
) -> None:
    there, back = tmp_path / "there", tmp_path / "new" / "back"
    many = there / "many"
    many.mkdir(parents=True)
    (many / "long").write_bytes(LONG)
    for one in ("before", "past"):
        (many / one).write_bytes(one.encode())
    with Served(there) as server, Stalling(server.port, 4 * MB) as cable:
        what = [
            f"tcp://127.0.0.1:{cable.port}/{one}" if one.startswith("many") else one
            for one in words
        ]
        again = command("get", *what, str(back), "--json")
        first = subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: cable.left < 0 and long_has_begun(tmp_path))
        first.send_signal(number)
        assert first.wait(PATIENCE) not in {0, 1, 2}
        cable.may_pass.set()
        done = subprocess.run(again, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["resumed_at"] > 0 for one in told if one["size"] == len(LONG)] == [True]
    assert [path.name for path in back.iterdir()] == [name]
    if name == "many":
        assert contents(back / "many") == contents(many)
        assert [one["already"] for one in told] == [True, False, False]
    else:
        assert (back / name).read_bytes() == LONG
    assert parts_in(tmp_path) == []
