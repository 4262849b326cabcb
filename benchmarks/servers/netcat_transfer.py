"""netcat, which writes what comes to a file and verifies nothing; it takes this process's place."""

from __future__ import annotations

from pathlib import Path

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port


def main() -> None:
    """Become it, with standard output in a file."""
    options = read_options()
    port = options.port or free_port()
    command = [find_tool("nc.openbsd"), "-l", "-k", "-N", HOST, str(port)]
    become(command, port, Path(options.root) / "big.bin")


if __name__ == "__main__":
    main()
