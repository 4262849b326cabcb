"""`jackfield serve commands`, which may run what is measured; it takes this process's place."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port

POLICY = """
[[allow]]
who = ["me"]
program = "{true}"

[[allow]]
who = ["me"]
program = "{cat}"
args = "any"
limits = {{ output = "8G" }}
"""


def main() -> None:
    """Write its policy, and become it."""
    options = read_options()
    port = options.port or free_port()
    policy = Path(options.root) / "policy.toml"
    policy.write_text(POLICY.format(true=shutil.which("true"), cat=shutil.which("cat")))
    policy.chmod(0o600)
    endpoint = f"tls://{HOST}:{port}?cert={options.pem}" if options.pem else f"tcp://{HOST}:{port}"
    command = [sys.executable, "-m", "jackfield", "serve", "commands", endpoint]
    become([*command, "--policy", str(policy)], port)


if __name__ == "__main__":
    main()
