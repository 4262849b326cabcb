"""A board as `jackfield up` runs it: anybody may come in, and what is said is kept on the disk."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port

SETTINGS = """
[services.chat]
endpoints = ["tcp://{host}:{chat}"]
limits = {{ connections_per_source = 10000 }}
[services.page]
endpoints = ["tcp://{host}:{page}"]
limits = {{ connections_per_source = 10000 }}
"""
"""All come from one address here, which a board by itself does not let in a thousand times."""


def main() -> None:
    """Write its configuration, and become it."""
    options = read_options("lines", "page")
    chat, page = options.port or free_port(), free_port()
    folder = Path(tempfile.mkdtemp(dir=options.root))
    config = folder / "jackfield.toml"
    config.write_text(SETTINGS.format(host=HOST, chat=chat, page=page))
    command = [sys.executable, "-m", "jackfield", "up", "--open"]
    command += ["--config", str(config), "--data", str(folder / "data")]
    become(command, page if options.variant == "page" else chat)


if __name__ == "__main__":
    main()
