"""A greeter on a bare socket. It works, as long as one recv() gives one whole name."""

from __future__ import annotations

import socket


def main() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        server, _ = listening.accept()
        with server:
            client.sendall(b"Tracy")

            name = server.recv(1024).decode()
            server.sendall(f"Hello, {name}!".encode())

            print(client.recv(1024).decode())


main()
