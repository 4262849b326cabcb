"""The greeter repaired by hand: a name ends with a line feed, and a buffer keeps half ones."""

from __future__ import annotations

import socket
from threading import Thread

NAMES = "Tracy\nHannah\n李雷\n".encode()


def greet(server: socket.socket) -> None:
    buffer = b""
    with server:
        while data := server.recv(1024):
            buffer += data
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                name = line.decode()
                server.sendall(f"Hello, {name}!\n".encode())


def main() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        server, _ = listening.accept()
        Thread(target=greet, args=[server]).start()

        client.sendall(NAMES[:14])  # ends inside a character
        client.sendall(NAMES[14:])
        client.shutdown(socket.SHUT_WR)

        with client.makefile(encoding="utf-8") as replies:
            print(replies.read(), end="")


main()
