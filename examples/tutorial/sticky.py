"""Three names are sent, and one recv() gives them all: TCP carries bytes, not messages."""

from __future__ import annotations

import socket


def main() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        server, _ = listening.accept()
        with server:
            for name in ("Tracy", "Hannah", "李雷"):
                client.sendall(name.encode())

            name = server.recv(1024).decode()
            server.sendall(f"Hello, {name}!".encode())

            print(client.recv(1024).decode())


main()
