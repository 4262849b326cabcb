"""One message is sent, and recv() gives half of it, cut inside a character."""

from __future__ import annotations

import socket


def main() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        server, _ = listening.accept()
        with server:
            poem = "床前明月光，" * 60
            client.sendall(poem.encode())

            data = server.recv(1024)
            print(f"sent {len(poem.encode())} bytes, received {len(data)}")
            try:
                print(data.decode())
            except UnicodeDecodeError as error:
                print(error)


main()
