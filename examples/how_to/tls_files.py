"""TLS with a certificate and its key in files; the client verifies it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile

from jackfield import Server, Service, connect, framing

MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 "
    "-keyout key.pem -out cert.pem -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
)

service = Service.reply("upper", str.upper, framing=framing.lines())


async def main(folder: str) -> None:
    url = f"tls://127.0.0.1:0?cert={folder}/cert.pem&key={folder}/key.pem"
    async with Server(service, url) as server:
        port = server.endpoints[0].port
        async with connect(
            f"tls://localhost:{port}?ca={folder}/cert.pem", framing=framing.lines()
        ) as conn:
            await conn.send("hello")
            print(await conn.receive())
            if conn.tls is not None:
                print(conn.tls.version)


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("This example makes its certificate with openssl, which is not installed here.")
    else:
        with tempfile.TemporaryDirectory() as temporary:
            subprocess.run(MAKE_CERTIFICATE.split(), cwd=temporary, check=True, capture_output=True)
            asyncio.run(main(temporary))
