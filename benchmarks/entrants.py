"""The line echoes that several scenarios share."""

from __future__ import annotations

from benchmarks.model import Entrant

OURS_ASYNC_FOR = Entrant(
    "jackfield-asyncio",
    "Jackfield, async for",
    "benchmarks.servers.jackfield_lines",
    "asyncio",
    needs=("jackfield.server", "uvloop"),
    ours=True,
)
OURS_REPLY = Entrant(
    "jackfield-reply",
    "Jackfield, Service.reply",
    "benchmarks.servers.jackfield_lines",
    "reply",
    needs=("jackfield.server", "uvloop"),
    ours=True,
)
OURS_THREADS = Entrant(
    "jackfield-threads",
    "Jackfield, threads",
    "benchmarks.servers.jackfield_lines",
    "threads",
    needs=("jackfield.server", "uvloop"),
    ours=True,
)
UVLOOP_STREAMS = Entrant(
    "uvloop-streams",
    "uvloop streams, readline",
    "benchmarks.servers.streams",
    "uvloop",
    needs=("uvloop",),
)
UVLOOP_STREAMS_FOR = Entrant(
    "uvloop-streams-for",
    "uvloop streams, async for",
    "benchmarks.servers.streams",
    "uvloop-for",
    needs=("uvloop",),
)
SOCKETSERVER = Entrant(
    "socketserver",
    "socketserver, threads",
    "benchmarks.servers.socketserver_threads",
)
C_EPOLL = Entrant("c-epoll", "C, epoll")

ECHOES = (
    OURS_ASYNC_FOR,
    OURS_REPLY,
    OURS_THREADS,
    Entrant("asyncio-streams", "asyncio streams", "benchmarks.servers.streams", "asyncio"),
    UVLOOP_STREAMS,
    UVLOOP_STREAMS_FOR,
    Entrant(
        "uvloop-protocol",
        "uvloop Protocol",
        "benchmarks.servers.uvloop_protocol",
        needs=("uvloop",),
    ),
    SOCKETSERVER,
    Entrant("gevent", "gevent", "benchmarks.servers.gevent_lines", needs=("gevent",)),
    Entrant(
        "twisted",
        "Twisted LineReceiver",
        "benchmarks.servers.twisted_lines",
        needs=("twisted",),
        tls_needs=("OpenSSL",),
    ),
    Entrant("trio", "trio", "benchmarks.servers.trio_lines", needs=("trio",)),
    C_EPOLL,
)
