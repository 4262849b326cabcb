"""A framing of one's own: the telegrams of a scale, STX text ETX and a check byte."""

from __future__ import annotations

import asyncio
from functools import reduce
from operator import xor

from jackfield import Server, Service, connect
from jackfield.errors import BadMessage, LocalProtocolError, MessageTooLong
from jackfield.framing import Framing
from jackfield.framing.base import Buffer, Cut
from jackfield.testing import check_framing

STX, ETX = 0x02, 0x03


class Telegram(Framing[bytes]):
    """STX, the payload, ETX, and one byte: all bytes of the payload, XORed."""

    name = "telegram"

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if buffer[start] != STX:
            raise BadMessage(f"a telegram begins with {STX:#x}, not {buffer[start]:#x}")
        first = start + 1
        last = buffer.find(ETX, max(first, searched - 1))  # less the check byte
        if (last if last >= 0 else len(buffer)) - first > self.max_message:
            raise MessageTooLong(f"a telegram of more than {self.max_message} bytes")
        if last < 0:
            return len(buffer) - start + 1  # call again when there is one more byte
        if last + 1 == len(buffer):
            return last + 2 - start
        check = reduce(xor, buffer[first:last], 0)
        if buffer[last + 1] != check:
            raise BadMessage(f"a check byte of {buffer[last + 1]:#x} where {check:#x} is right")
        return first, last, last + 2

    def encode(self, message: bytes) -> bytes:
        data = self.encode_unit(message)  # which refuses what is too long, or no bytes
        if ETX in data:
            raise LocalProtocolError(f"a telegram cannot hold the byte {ETX:#x}; leave it out")
        return bytes((STX, *data, ETX, reduce(xor, data, 0)))


service = Service.reply("scale", lambda _question: b"12.5 kg", framing=Telegram())


async def main() -> None:
    check_framing(Telegram(max_message=1000), [b"", b"12.5 kg", b"\x02"], garbage=[b"\x02\x03"])

    async with (
        Server(service, "tcp://127.0.0.1:0") as server,
        connect(server.endpoints[0], framing=Telegram()) as conn,
    ):
        await conn.send(b"weight?")
        print(await conn.receive())


if __name__ == "__main__":
    asyncio.run(main())
