"""Have testssl look at a TLS endpoint of ours, served by the local authority.

    python scripts/tls_scan.py

Prints what it finds that is not in order, and fails unless each is in `KNOWN`, with its reason.
Needs the program testssl (Debian: testssl.sh).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KNOWN = {
    "cert_revocation": "a private authority has no list of revoked certificates; they last 90 days",
    "DNS_CAArecord": "127.0.0.1 is no name of a domain",
}

PATIENCE = 600.0
"""Seconds for the whole scan."""


def findings(node: Any) -> Iterator[tuple[str, str, str]]:
    """Give severity, name and text of all that is not in order."""
    if isinstance(node, dict):
        if "severity" in node and node["severity"] not in {"OK", "INFO"}:
            yield node["severity"], node["id"], node["finding"]
        for child in node.values():
            yield from findings(child)
    elif isinstance(node, list):
        for child in node:
            yield from findings(child)


def main() -> int:
    """Scan, and say what came of it."""
    scanner = shutil.which("testssl") or shutil.which("testssl.sh")
    if scanner is None:
        print("testssl is not installed (Debian: apt install testssl.sh)")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        server = subprocess.Popen(
            [sys.executable, "-m", "jackfield", "serve", "echo", "tls://127.0.0.1:0"],
            env=os.environ | {"JACKFIELD_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            found = re.search(r"tls://(\S+)", server.stdout.readline())
            assert found, "the server does not say where it listens"
            result = Path(folder, "result.json")
            authority = home / "authority" / "authority.pem"
            command = [scanner, "--quiet", "--warnings", "off", "--add-ca", str(authority)]
            subprocess.run(
                [*command, "--jsonfile-pretty", str(result), found[1]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
            all_found = list(findings(json.loads(result.read_text())["scanResult"]))
        finally:
            server.terminate()
            server.wait()
    for severity, name, text in all_found:
        print(f"{severity:6} {name}: {text}  ({KNOWN.get(name, 'NOT KNOWN')})")
    unknown = [name for _, name, _ in all_found if name not in KNOWN]
    print(f"{len(all_found)} findings, of which {len(unknown)} are not known")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
