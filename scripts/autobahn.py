"""Run the Autobahn test suite against our WebSocket server and client, and print what it found.

    python scripts/autobahn.py [CASES]

CASES: such as `1.*` or `12.1.1,13.*`; all unless given, which take half an hour on two cores. The
suite's own reports are kept in the folder that the variable AUTOBAHN_REPORTS names, and a run that
was broken off goes on there. The suite is for Python 2.7: one is looked for among those of pyenv,
then by the name `python2.7`, or taken from the variable PYTHON27. It is installed once, into
`.venv-autobahn`. Exit status 1 when a case failed, or not all were run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jackfield import Connection, Server, Service, connect
from jackfield.endpoints import parse
from jackfield.errors import ConnectError, ConnectionEnded, RemoteProtocolError
from jackfield.framing import text_or_binary

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-autobahn"
WSTEST = FOLDER / "venv" / "bin" / "wstest"

PINNED = ("autobahntestsuite==25.10.1", "setuptools==44.1.1")
"""It names exact versions of what it needs itself."""

LARGEST = 32 * 1024 * 1024
"""Bytes of a message: cases 9 go up to 16 MiB."""

ALL = 517
"""Cases of the suite, those of compression included."""

GROUPS = (
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
    *(f"12.{group}.*" for group in range(1, 6)),
    *(f"13.{group}.*" for group in range(1, 8)),
)
"""The parts it is run in: its reports come at the end of each."""

HOLDS = frozenset({"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"})
"""What is no failure. Nothing may be unimplemented either: that is counted apart."""

SIDES = ("server", "client")

MESSAGES = text_or_binary(max_message=LARGEST)


async def echo(conn: Connection[str | bytes]) -> None:
    """Send back what comes, text as text and bytes as bytes."""
    async for message in conn:
        await conn.send(message)


def install() -> None:
    """Install the suite, if it is not there."""
    if WSTEST.exists():
        return
    python = os.environ.get("PYTHON27") or _from_pyenv() or shutil.which("python2.7")
    if not python:
        sys.exit("the suite needs Python 2.7: install one, or name it in the variable PYTHON27")
    boot, venv = FOLDER / "boot", FOLDER / "venv"
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([python, "-m", *pip, "--target", str(boot), "virtualenv==20.15.1"])
    _run([python, "-m", "virtualenv", "--quiet", str(venv)], PYTHONPATH=str(boot))
    _run([str(venv / "bin" / "python"), "-m", *pip, *PINNED])


def _from_pyenv() -> str:
    versions = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for found in sorted(versions.glob("2.7*/bin/python2.7")):
        return str(found)
    return ""


def _run(command: list[str], **variables: str) -> None:
    done = subprocess.run(
        command,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ... failed:\n{done.stdout}")


@contextlib.contextmanager
def wstest(mode: str, spec: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the suite's command."""
    path = folder / f"{mode}.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    log = (folder / f"{mode}.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [str(WSTEST), "--mode", mode, "--spec", str(path), "--webport", "0"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


async def against_server(cases: list[str], folder: Path) -> dict[str, Any]:
    """Have the suite try our server; give its verdict on each case."""
    out = folder / "server"
    service = Service("autobahn", echo, framing=MESSAGES)
    async with Server(service, "ws://127.0.0.1:0") as server:
        spec = {
            "outdir": str(out),
            "servers": [{"agent": "jackfield", "url": str(server.endpoints[0])}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        with wstest("fuzzingclient", spec, folder) as process:
            await asyncio.to_thread(process.wait)
    return _verdicts(out)


async def against_client(cases: list[str], folder: Path) -> dict[str, Any]:
    """Have our client be tried by the suite; give its verdict on each case."""
    out = folder / "client"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    base = f"ws://127.0.0.1:{port}"
    spec = {
        "url": base,
        "outdir": str(out),
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    with wstest("fuzzingserver", spec, folder):
        count = int(await _ask(f"{base}/getCaseCount", retry=300))
        for case in range(1, count + 1):
            query = f"deflate=on&query=case={case}%26agent=jackfield"
            with contextlib.suppress(ConnectionEnded, RemoteProtocolError):
                async with connect(parse(f"{base}/runCase?{query}"), MESSAGES) as conn:
                    await _echoed(conn)
        await _ask(f"{base}/updateReports?query=agent=jackfield")
    return _verdicts(out)


def verdicts_on(case: str, folder: Path) -> dict[str, Any]:
    """Have a part tried by both sides, unless that was done before; give the verdicts of each.

    Both at a time, since the suite takes far longer than what it tries.
    """
    done = folder / "verdicts.json"
    if done.exists():
        when = datetime.fromtimestamp(done.stat().st_mtime, UTC)
        print(f"{case} were tried by a run that was broken off, until {when:%Y-%m-%d %H:%M} UTC")
    else:
        folder.mkdir(exist_ok=True)
        done.write_text(json.dumps(asyncio.run(_against_both([case], folder))), encoding="utf-8")
    found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return found


async def _against_both(cases: list[str], folder: Path) -> dict[str, Any]:
    tries = against_server(cases, folder), against_client(cases, folder)
    return dict(zip(SIDES, await asyncio.gather(*tries), strict=True))


async def _echoed(conn: Connection[str | bytes]) -> None:
    """Send back what comes; what breaks the protocol is refused, as a server does it."""
    try:
        await echo(conn)
        if not conn.is_over:
            await conn.receive()
    except RemoteProtocolError as error:
        conn.refuse(str(error))


async def _ask(url: str, retry: int = 0) -> str:
    """Give the first message that is sent at a URL; "" when none is."""
    for left in range(retry, -1, -1):
        try:
            async with connect(parse(url), MESSAGES) as conn:
                async for message in conn:
                    return str(message)
                return ""
        except ConnectError:
            if not left:
                raise
            await asyncio.sleep(0.2)  # the suite is starting
    return ""


def _verdicts(folder: Path) -> dict[str, Any]:
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(iter(index.values()))
    return found


def told(side: str, verdicts: dict[str, Any]) -> bool:
    """Print what came out for one side; whether nothing failed."""
    counts = Counter(verdict["behavior"] for verdict in verdicts.values())
    closes = Counter(verdict["behaviorClose"] for verdict in verdicts.values())
    print(f"{side}: {len(verdicts)} cases: {_listed(counts)}; how they closed: {_listed(closes)}")
    held = True
    for case in sorted(verdicts, key=_in_order):
        verdict = verdicts[case]
        ended, closed = verdict["behavior"], verdict["behaviorClose"]
        failed = ended not in HOLDS or closed not in HOLDS
        held = held and not failed and ended != "UNIMPLEMENTED"
        if failed or ended in {"NON-STRICT", "UNIMPLEMENTED"}:
            print(f"  {case}: {ended}, closed {closed}")
    return held


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _in_order(case: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", case)]


def main() -> int:
    """Run as a command."""
    cases = sys.argv[1].split(",") if len(sys.argv) > 1 else list(GROUPS)
    by_side: dict[str, dict[str, Any]] = {side: {} for side in SIDES}
    install()
    with tempfile.TemporaryDirectory() as made:
        kept = os.environ.get("AUTOBAHN_REPORTS", "")
        folder = Path(kept or made)
        for case in cases:
            verdicts = verdicts_on(case, folder / case.replace("*", "all"))
            for side in SIDES:
                by_side[side] |= verdicts[side]
    held = [told(side, verdicts) for side, verdicts in by_side.items()]
    whole = len(sys.argv) > 1 or all(len(verdicts) == ALL for verdicts in by_side.values())
    if not whole:
        print(f"there are {ALL} cases, and not all of them were run")
    return 0 if all(held) and whole else 1


if __name__ == "__main__":
    sys.exit(main())
