"""`jackfield serve files`, with its default limits; it takes this process's place."""

from __future__ import annotations

import sys

from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port


def main() -> None:
    """Become it."""
    options = read_options()
    port = options.port or free_port()
    endpoint = f"tls://{HOST}:{port}?cert={options.pem}" if options.pem else f"tcp://{HOST}:{port}"
    become([sys.executable, "-m", "jackfield", "serve", "files", options.root, endpoint], port)


if __name__ == "__main__":
    main()
