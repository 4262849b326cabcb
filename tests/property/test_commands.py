"""Laws of remote commands: what somebody sends reaches a program as it is, and nothing but it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield import connect
from jackfield.errors import EndOfStream
from jackfield.services.commands import wire
from jackfield.services.commands.wire import Exit, Run
from tests.live import PATIENCE, Live
from tests.remote import Output, client_of, python_policy, ran, service_of

TELL = (
    "import os, sys; sys.stdout.buffer.write(repr((sys.argv[1:], sorted(os.environ.items()),"
    " os.getcwd())).encode('ascii', 'backslashreplace'))"
)
NASTY = st.sampled_from(
    [
        *(
            "'",
            '"',
            "`id`",
            "$(id)",
            "${PATH}",
            ";",
            "&&",
            "|",
            ">",
            "<",
            "\n",
            "\r",
            "\t",
            " ",
            "*",
        ),
        *("-", "--", "-c", "\\", "\\n", "!", "#", "~", "%s", "{}", "\x7f", "\x1b[31m", "你", "𐀀"),
    ]
)
ANY = st.binary(max_size=5).map(
    lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
ARGUMENT = st.lists(NASTY | ANY).map("".join)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("commands")
    policy = python_policy(folder, 'limits = { time = "30s" }')
    with Live(service_of(policy), f"unix://{folder}/s") as found:
        yield found


@given(st.lists(ARGUMENT, max_size=6), ARGUMENT)
def test_arguments_and_variables_reach_a_program_as_they_were_given(
    live: Live, args: list[str], value: str
) -> None:
    """Whatever the arguments: the program has these, each as it was, and no other variables."""
    program = sys.executable, "-I", "-S", "-c", TELL
    over, out, err = ran(live.endpoints[0], *program, *args, env=(("X", value),))
    assert (over.status, err) == (0, b"")
    got, env, folder = eval(out)  # noqa: S307  our own program's
    # what is no UTF-8 is joined anew by the system: bytes count
    assert [_bytes(one) for one in got] == [_bytes(one) for one in args]
    assert {name: _bytes(one) for name, one in env if name != "LC_CTYPE"} == {
        "HOME": _bytes(str(Path.home())),
        "LANG": b"C.UTF-8",
        "PATH": b"/usr/local/bin:/usr/bin:/bin",
        "X": _bytes(value),
    }
    assert folder == "/"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@given(
    st.text(max_size=30)
    | st.sampled_from(["sh;id", "sh id", "/bin/sh\n", "../bin/sh", "SH", "./sh"])
)
def test_only_what_a_line_names_is_run(live: Live, program: str) -> None:
    """Whatever the name of a program: it is one that a line has, or it is refused."""
    allowed = {"sh", "/bin/sh", sys.executable, Path(sys.executable).name}

    async def answer() -> str:
        at = live.endpoints[0]
        async with asyncio.timeout(PATIENCE), connect(at, framing=wire.framing()) as conn:
            await conn.send(wire.encode(wire.Hello()))
            await conn.send(json.dumps({"do": "run", "args": [program]}))
            await conn.send(json.dumps({"do": "end"}))
            await conn.receive()
            found: Any = json.loads(await conn.receive())
            return str(found["is"])

    assert (asyncio.run(answer()) == "started") == (program in allowed)


MESSAGES = st.lists(
    st.binary(max_size=10)
    | st.sampled_from(
        [
            *({"do": "hello", "version": 1}, {"do": "end"}, {"do": "stop"}),
            *({"do": "signal", "signal": "INT"}, {"do": "more", "stream": 1, "bytes": 0}),
            *({"do": "run", "args": ["sh", "-c", "echo"]}, {"do": "run", "args": ["nothing"]}),
            *({"do": "run", "args": ["sh"]}, {"do": "nonsense"}, [], None),
        ]
    ).map(json.dumps),
    max_size=12,
)


@given(MESSAGES)
def test_no_order_of_messages_holds_the_service_up(live: Live, messages: list[Any]) -> None:
    """Whatever a client says, in whatever order: its connection ends, and others go on."""

    async def say() -> None:
        at = live.endpoints[0]
        async with asyncio.timeout(PATIENCE), connect(at, framing=wire.framing()) as conn:
            hello = wire.encode(wire.Hello())
            for message in (hello, *messages):
                await conn.send(message)
            await conn.send_eof()
            try:
                while True:
                    await conn.receive()
            except EndOfStream:
                return

    asyncio.run(say())
    assert not live.broken


@given(st.binary(max_size=300_000), st.integers(1, 70_000))
def test_standard_input_comes_back_as_it_was(live: Live, data: bytes, size: int) -> None:
    """Whatever the bytes and the pieces they are sent in: they come back the same."""

    async def run() -> tuple[Exit, bytes]:
        rest = memoryview(data)

        async def read(most: int) -> bytes:
            nonlocal rest
            piece, rest = bytes(rest[: min(size, most)]), rest[min(size, most) :]
            return piece

        async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
            output = Output()
            over = await client.run(Run(("sh", "-c", "exec cat")), read, output.put)
            return over, bytes(output.out)

    over, out = asyncio.run(run())
    assert out == data
    assert (over.status, over.in_, over.out) == (0, len(data), len(data))
