"""nats-server, as it comes."""

from __future__ import annotations

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port


def main() -> None:
    """Become it."""
    port = read_options().port or free_port()
    become([find_tool("nats-server"), "-a", HOST, "-p", str(port)], port)


if __name__ == "__main__":
    main()
