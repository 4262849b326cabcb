"""ngIRCd, without limits on who comes in and how fast one may talk, and without look-ups."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port

SETTINGS = """
[Global]
Name = irc.bench.example
Info = bench
Listen = {host}
Ports = {port}
MotdPhrase = "hello"
ServerUID = {user}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""


def main() -> None:
    """Write its configuration, and become it."""
    options = read_options()
    port = options.port or free_port()
    config = Path(tempfile.mkdtemp(dir=options.root)) / "ngircd.conf"
    user = pwd.getpwuid(os.getuid()).pw_name
    config.write_text(SETTINGS.format(host=HOST, port=port, user=user))
    become([find_tool("ngircd"), "-n", "-f", str(config)], port)


if __name__ == "__main__":
    main()
