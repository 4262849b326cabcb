"""A room full of people: what it costs that everybody hears a line, and how fast lines are kept."""

from __future__ import annotations

import json
import sys
from functools import partial

from benchmarks.bench import LOAD_S, Bench, importable
from benchmarks.machine import allow_connections
from benchmarks.model import Absent, Entrant, MeasureError, Metric, Sample, Scenario, Target
from benchmarks.processes import start

BOARD = "benchmarks.servers.jackfield_board"
NEEDS = ("jackfield.server", "uvloop", "apsw")
LINES = Entrant(
    "jackfield-board", "Jackfield's board, lines", BOARD, "lines", needs=NEEDS, ours=True
)
PAGE = Entrant(
    "jackfield-page",
    "Jackfield's board, pages",
    BOARD,
    "page",
    needs=(*NEEDS, "httptools", "websockets"),
    ours=True,
)
NODELAY, MOSQUITTO = (
    Entrant(name, title, "benchmarks.servers.mosquitto_fanout", variant, tools=("mosquitto",))
    for name, title, variant in (
        ("mosquitto-nodelay", "mosquitto, set_tcp_nodelay true", "nodelay"),
        ("mosquitto", "mosquitto", "default"),
    )
)
NATS = Entrant("nats", "nats-server", "benchmarks.servers.nats_fanout", tools=("nats-server",))
IRC = Entrant("ngircd", "ngIRCd", "benchmarks.servers.ngircd_fanout", tools=("ngircd",))
FLOOR = Entrant(
    "uvloop-fanout",
    "uvloop Protocols, and nothing else",
    "benchmarks.servers.uvloop_fanout",
    needs=("uvloop",),
)
TONGUES = {
    LINES: "chat",
    PAGE: "page",
    NODELAY: "mqtt",
    MOSQUITTO: "mqtt",
    NATS: "nats",
    IRC: "irc",
    FLOOR: "bare",
}
"""Who takes part in a fan-out, and how each is spoken to: a name of `tongues.py`."""

FAN_OUT = (
    "{rate} times a second one of {listeners:,} people says a line of 100 bytes, and all others "
    "hear it: that is a delivery. They take turns. The load, a Python program with epoll, speaks "
    "each server's own protocol as far as that goes (lines, WebSocket with permessage-deflate "
    "offered, MQTT 5, NATS, IRC), and fails when anybody hears anything else than what was said, "
    "or it not once. CPU time is of all processes of the server. Ours is `jackfield up`, with "
    "history: a line is on the disk before anybody hears it, together with those that were said "
    "meanwhile, and in a crowd there is a pause of up to 0.1 s after each telling. The others keep "
    "nothing. mosquitto by itself leaves Nagle's algorithm on, which joins lines too; uvloop "
    "Protocols write each line to all, and are the floor for that. Short messages to pages are "
    "never compressed, and longer ones once for all pages."
)
STORED = (
    "So many writers each have one message on its way: 120 bytes of text with a mention and words "
    "in two scripts, which goes into the index of the search as well. It is on the disk (fsync) "
    "before the writer goes on. *Together* is the store as it is, with all that waits in one "
    "commit; *alone* has a commit for each message; *busy* is together, on a loop that is busy all "
    "the time. On the disk that has temporary files; store and writers share one process, on the "
    "core for servers."
)
STORES = tuple(
    Entrant(
        f"stored-{how}-{writers}",
        f"{how}, {writers:,} writer{'s' if writers > 1 else ''}",
        variant=f"{how} {writers}",
        needs=("jackfield.server", "apsw"),
        ours=how == "together",
    )
    for how, writers in (
        ("together", 1),
        ("together", 10),
        ("together", 100),
        ("together", 1000),
        ("alone", 100),
        ("busy", 100),
    )
)


async def fan_out(bench: Bench, entrant: Entrant, *, listeners: int, rate: int) -> Sample:
    """Measure one who tells lines to a crowd."""
    if allow_connections(listeners) < listeners:
        raise MeasureError(f"{listeners} connections are more than the limit on descriptors")
    async with bench.serve(entrant, root=bench.folder) as server:
        load = await bench.fan_out(server, TONGUES[entrant], listeners=listeners, rate=rate)
    return load.sample()


async def stored(bench: Bench, entrant: Entrant) -> Sample:
    """Measure the store."""
    for module in entrant.needs:
        if not importable(module):
            raise Absent(f"{module} is not installed")
    how, writers = entrant.variant.split()
    milliseconds = str(round(bench.settings.seconds * 1000))
    command = [sys.executable, "-m", "benchmarks.store", how, writers, milliseconds]
    async with start([*command, str(bench.folder)], bench.cores.server) as store:
        found = json.loads(await store.read_line(bench.settings.seconds + LOAD_S))
    return {
        "rate": found["messages"] / found["seconds"],
        "together": found["together"],
        "cpu_us": found["cpu"] / found["messages"] * 1e6,
        "p50_ms": found["p50"] * 1e3,
        "p99_ms": found["p99"] * 1e3,
    }


SCENARIOS = (
    *(
        Scenario(
            name=f"fan-out-{listeners}",
            title=f"Lines of 100 bytes to {listeners:,} people",
            about=FAN_OUT.format(listeners=listeners, rate=rate),
            metrics=(
                Metric("cpu_us", "server CPU, µs per delivery", 2),
                Metric("rate", "deliveries per second", 0),
                Metric("p50_ms", "from said to heard p50, ms", 1),
                Metric("p99_ms", "p99, ms", 1),
            ),
            entrants=tuple(TONGUES),
            measure=partial(fan_out, listeners=listeners, rate=rate),
            chart="cpu_us",
            rounds=5,
            targets=tuple(
                Target(
                    f"To {listeners:,} people: CPU per delivery, {what}, to {other.title}",
                    metric="cpu_us",
                    ours=ours.name,
                    beside=other.name,
                    limit=1.0,
                )
                for ours, what, other in (
                    (LINES, "lines", NODELAY),
                    (LINES, "lines", MOSQUITTO),
                    (PAGE, "pages", NODELAY),
                )
            ),
        )
        for listeners, rate in ((200, 100), (1000, 40))
    ),
    Scenario(
        name="stored",
        title="Messages kept by the board",
        about=STORED,
        metrics=(
            Metric("rate", "messages per second", 0),
            Metric("together", "messages in a commit", 1),
            Metric("cpu_us", "CPU, µs per message", 0),
            Metric("p50_ms", "until kept p50, ms", 1),
            Metric("p99_ms", "p99, ms", 1),
        ),
        entrants=STORES,
        measure=stored,
        chart="rate",
        rounds=5,
    ),
)
