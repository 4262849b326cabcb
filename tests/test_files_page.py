"""The page on moving files: its commands do what it shows, one after another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import ROOT, typed

PAGE = ROOT / "docs/how-to/move-files.md"
SHOWN = [shown for shown in typed() if shown.page == PAGE]
HERE = [shown for shown in SHOWN if "127.0.0.1" in shown.command and " serve " not in shown.command]
"""What the page does on one machine."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "shared").mkdir()
    (folder / "notes.txt").write_text("What we said on the tenth...\n")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_bytes(b"jpg" * 1000)
    (folder / "photos" / "newest").symlink_to("a.jpg")
    (folder / "notes.txt").chmod(0o644)
    (folder / "bin").mkdir()
    script = folder / "bin" / "jackfield"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jackfield "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[str]:
    served = SHOWN[0].command.replace(":9000", ":0").split()[1:]
    server = subprocess.Popen(
        [sys.executable, "-m", "jackfield", *served], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        assert server.stdout is not None
        listening = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert listening is not None
        yield listening[1]
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


def shape(text: str) -> list[str]:
    """The lines of an output, without what is another each time."""
    text = re.sub(r"[0-9a-f]{64}", "HASH", text)
    text = re.sub(r'"mtime": [\d.]+', '"mtime": TIME', text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_page_shows_what_the_commands_say(folder: Path, port: str) -> None:
    assert len(HERE) > 8
    for shown in HERE:
        done = subprocess.run(
            ["sh", "-c", shown.command.replace(":9000", f":{port}")],
            cwd=folder,
            env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        assert (shown.command, done.returncode, sorted(shape(done.stdout))) == (
            shown.command,
            0,
            sorted(shape(shown.output)),
        )
    for name in ("copy/photos/a.jpg", "copy/of-ada/a.jpg", "b.jpg"):
        assert (folder / name).read_bytes() == b"jpg" * 1000
