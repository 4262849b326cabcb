"""nginx with one worker and no access log; it takes this process's place, and its socket."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from pathlib import Path

from benchmarks.machine import find_tool
from benchmarks.servers.options import HOST, listening, read_options, ready

SETTINGS = """
daemon off;
worker_processes 1;
pid {own}/pid;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi;
    scgi_temp_path {own}/scgi;
    server {{
        listen {host}:{port}{tls};
        root {root};
    }}
}}
"""


def user() -> str:
    """Have root's worker stay root's: nobody else can read the folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"


def tls(pem: str) -> str:
    """Have it speak TLS, where there is a certificate."""
    return f" ssl; ssl_certificate {pem}; ssl_certificate_key {pem}" if pem else ""


def main() -> None:
    """Make the settings, and become nginx."""
    options = read_options()
    sock = listening(options.port)
    port = sock.getsockname()[1]
    own = tempfile.mkdtemp(dir=Path(options.root).parent)
    settings = Path(own, "nginx.conf")
    settings.write_text(
        SETTINGS.format(
            own=own, user=user(), host=HOST, port=port, root=options.root, tls=tls(options.pem)
        )
    )
    # With master_process off nginx crashes on a socket that it inherits (1.22 does).
    os.set_inheritable(sock.fileno(), True)
    os.environ["NGINX"] = f"{sock.fileno()};"
    ready(port)
    path = find_tool("nginx")
    os.execv(path, [path, "-p", own, "-c", str(settings), "-e", "stderr"])  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
