"""Run the long proofs, and write what they showed into docs/proof/, dated.

    python scripts/proof.py [NAME...]

Each proof is a command; its page keeps the newest result: when, on what, at which commit, how
long it took, how it ended, and the last lines it printed. Exit status 1 when one failed.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "proof"
LAST_LINES = 30

PROOFS = {
    # Every test, without --sample, each property with the "proof" profile's many more examples.
    "suite": [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
        "--dist",
        "loadgroup",
        "--timeout",
        "3600",
    ],
    # 10,000 connections in one process for ten minutes.
    "connections": [sys.executable, "scripts/hold_connections.py"],
    # 100 commands that cling to life for each way to end them: all gone within a second of KILL.
    # 1 GiB through one and back, in constant memory.
    "commands": [sys.executable, "scripts/command_trees.py"],
    # What the Autobahn test suite says of WebSocket, of our server and of our client.
    "autobahn": [sys.executable, "scripts/autobahn.py"],
    # 200 kills and 100 power cuts under load: nothing acknowledged is lost, doubled, out of order.
    "durability": [sys.executable, "scripts/durability.py"],
    # 2,000 people in one board, a tenth of whom come and go, for five minutes: nobody loses a word.
    "people": [sys.executable, "scripts/people.py"],
    # 200 kills and 30 power cuts while files are moved: none is half there, none that was
    # acknowledged is missing, and the same command brings all of them there in the end.
    "files": [sys.executable, "scripts/moving.py"],
    # What testssl says of TLS by the local authority.
    "tls": [sys.executable, "scripts/tls_scan.py"],
    # slowhttptest's four modes against the web service, beside an honest client.
    "web": [sys.executable, "scripts/slow_http.py"],
    # Five million inputs to the framing of HTTP, and to WebSocket's.
    "fuzz": [sys.executable, "scripts/fuzz.py"],
    # A million inputs to each reader of ICMP's packets, and to that of DNS's answers.
    "packets": [sys.executable, "-m", "scripts.fuzz_packets"],
    # A million inputs to each of what reads /proc, netlink, lists of services and addresses.
    "fuzz-tools": [sys.executable, "-m", "scripts.fuzz_tools"],
}


def commit() -> str:
    """Name the commit that is proved, and whether the files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def prove(name: str, command: list[str]) -> bool:
    """Run one proof and write its page; give whether it held."""
    print(f"proof: {name}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"JACKFIELD_PROOF": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    took = time.monotonic() - began
    held = done.returncode == 0
    last = "\n".join(done.stdout.splitlines()[-LAST_LINES:]).replace(str(ROOT), ".")
    shown = " ".join(Path(part).name if part == sys.executable else part for part in command)
    page = f"""# Proof: {name}

| | |
| --- | --- |
| when | {datetime.now(UTC):%Y-%m-%d %H:%M} UTC |
| commit | `{commit()}` |
| on | {platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores |
| Python | {platform.python_version()} |
| command | `JACKFIELD_PROOF=1 {shown}` |
| took | {took:.0f} s |
| result | {"held" if held else f"failed, exit status {done.returncode}"} |

```text
{last}
```
"""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(page, encoding="utf-8")
    if not held:
        print(done.stdout)  # the page has only the end of it
    print(f"proof: {name}: {'held' if held else 'FAILED'}, {took:.0f} s; see docs/proof/{name}.md")
    return held


def main() -> int:
    """Run as a command."""
    names = sys.argv[1:] or list(PROOFS)
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        print(f"no proof is called {unknown[0]}; there is: {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    results = [prove(name, PROOFS[name]) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
