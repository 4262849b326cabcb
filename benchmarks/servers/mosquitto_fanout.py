"""mosquitto, as it comes and with `set_tcp_nodelay`; nothing is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port

SETTINGS = """
listener {port} {host}
allow_anonymous true
user root
{more}
"""


def main() -> None:
    """Write its configuration, and become it."""
    options = read_options("default", "nodelay")
    port = options.port or free_port()
    config = Path(tempfile.mkdtemp(dir=options.root)) / "mosquitto.conf"
    more = "set_tcp_nodelay true" if options.variant == "nodelay" else ""
    config.write_text(SETTINGS.format(port=port, host=HOST, more=more))
    become([find_tool("mosquitto"), "-c", str(config)], port)


if __name__ == "__main__":
    main()
