"""copyparty without thumbnails, and a folder that anybody may write; it takes our place."""

from __future__ import annotations

import os
import sys

from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port


def main() -> None:
    """Become it."""
    options = read_options()
    port = options.port or free_port()
    os.environ["XDG_CONFIG_HOME"] = os.path.join(options.root, ".config")  # noqa: PTH118
    command = [sys.executable, "-m", "copyparty", "-i", HOST, "-p", str(port), "-q", "--no-thumb"]
    become([*command, "--http-only", "--wram", "-v", f"{options.root}::rwmd"], port)


if __name__ == "__main__":
    main()
