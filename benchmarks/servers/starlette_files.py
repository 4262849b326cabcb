"""Starlette's static files under uvicorn, on uvloop with httptools, without access log."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from benchmarks.servers.options import listening, read_options, ready

if __name__ == "__main__":
    options = read_options()
    application = Starlette(routes=[Mount("/", StaticFiles(directory=options.root))])
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=1024,
    )
    sock = listening(options.port)
    ready(sock.getsockname()[1])
    uvicorn.Server(config).run([sock])
