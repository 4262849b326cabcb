"""OpenSSH's server with keys made for the run, and otherwise as it comes; it takes this place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, read_options
from benchmarks.servers.programs import become, free_port

SETTINGS = """
ListenAddress {host}:{port}
HostKey {root}/host
AuthorizedKeysFile {root}/client.pub
PidFile none
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
SetEnv SHLVL=1
"""
"""SHLVL has bash read no ~/.bashrc, which would be a machine's own and could take any time."""


def main() -> None:
    """Make keys and settings, and become it. The client's key is ROOT/client."""
    options = read_options()
    port = options.port or free_port()
    root = Path(options.root)
    for name in ("host", "client"):
        command = [find_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)]
        subprocess.run(command, check=True)
    settings = root / "sshd_config"
    settings.write_text(SETTINGS.format(host=HOST, port=port, root=root))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it confines itself
    become([find_tool("sshd"), "-D", "-e", "-f", str(settings)], port)


if __name__ == "__main__":
    main()
