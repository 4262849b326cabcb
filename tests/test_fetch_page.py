"""The page on fetching shows what `jackfield fetch -v` and curl say of one page, side by side."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_docs import ROOT, typed

PAGE = ROOT / "docs/how-to/fetch.md"
SHOWN = {shown.command: shown.output for shown in typed() if shown.page == PAGE}
URL = "https://localhost:8443/hello.txt"
FETCH = f"jackfield fetch -v {URL}"
CURL = f"curl -v --http1.1 --cacert here.pem {URL}"


class Site(NamedTuple):
    """A folder with what the page's commands are to find, and where it is served."""

    folder: Path
    port: int


def jackfield(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "jackfield", *words]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "site").mkdir()
    (folder / "site" / "hello.txt").write_text("Hello from here.\n")
    own = {"cwd": folder, "env": {**os.environ, "JACKFIELD_HOME": str(folder / "home")}}
    make = jackfield(folder, "cert", "make", "localhost", "127.0.0.1")
    subprocess.run(make, check=True, timeout=30, stdout=subprocess.DEVNULL, **own)  # type: ignore[call-overload]  # as it takes them
    pem = subprocess.run(  # type: ignore[call-overload]  # likewise
        jackfield(folder, "cert", "show"), check=True, timeout=30, stdout=subprocess.PIPE, **own
    )
    (folder / "here.pem").write_bytes(pem.stdout)
    serve = jackfield(folder, "serve", "web", "site", "tls://127.0.0.1:0")
    files = ["--cert", "localhost.pem", "--key", "localhost.key"]
    server = subprocess.Popen([*serve, *files], stdout=subprocess.PIPE, text=True, **own)  # type: ignore[call-overload]  # likewise
    try:
        listening = re.search(r"tls://127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert listening is not None
        yield Site(folder, int(listening[1]))
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


def said(site: Site, command: str) -> str:
    """What a command of the page says here and now, both outputs in one."""
    words = command.replace(":8443", f":{site.port}").split()
    if words[0] == "jackfield":
        words = jackfield(site.folder, *words[1:])
    done = subprocess.run(
        words,
        cwd=site.folder,
        env={**os.environ, "JACKFIELD_HOME": str(site.folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


def shape(text: str, port: int = 8443) -> list[str]:
    """The lines of an output, without what is another each time."""
    text = text.replace(f":{port}", ":8443")
    text = re.sub(r"authority of \S+?(?=[,:]|$)", "authority of here", text, flags=re.MULTILINE)
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "DATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\d, in \d+ days", "DAY", text)
    text = re.sub(r'"[0-9a-f]+-11"', '"TAG"', text)
    text = re.sub(r"[\d.]+ ms", "TIME", text)
    text = re.sub(r"from 127\.0\.0\.1:\d+", "from HERE", text)
    text = re.sub(r"localhost is .*,", "localhost is ADDRESSES,", text)
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if not line.startswith("* tried [::1]")]


def test_fetch_says_what_the_page_shows(site: Site) -> None:
    assert shape(said(site, FETCH), site.port) == shape(SHOWN[FETCH])


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_is_told_the_same_by_the_server(site: Site) -> None:
    """The lines of curl itself are another from version to version; the header is not."""

    def header(text: str, port: int = 8443) -> list[str]:
        return [line for line in shape(text, port) if line.startswith("<")]

    found = header(said(site, CURL.replace("-v", "-sv", 1)), site.port)
    assert found == header(SHOWN[CURL]) == header(SHOWN[FETCH])
