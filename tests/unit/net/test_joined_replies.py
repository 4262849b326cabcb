"""Replies to messages at hand share a write, and wait but for the end of the loop's turn."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.errors import ReceiveTimeout
from jackfield.framing.lines import lines
from jackfield.testing import memory_pair
from tests.live import in_loop


@in_loop
async def test_a_reply_after_a_pause_goes_out_although_messages_are_at_hand() -> None:
    async with memory_pair(lines()) as (client, there):
        waiting = asyncio.create_task(there.receive())
        await asyncio.sleep(0)
        await client.send_many(["one", "two", "three"])
        assert await waiting == "one"
        await asyncio.sleep(0)  # as for a store
        await there.send("1")
        assert await client.receive(timeout=20) == "1"
        assert await there.receive() == "two"
        await there.send("2")
        assert await client.receive(timeout=20) == "2"
        with pytest.raises(ReceiveTimeout):
            await client.receive(timeout=0)
