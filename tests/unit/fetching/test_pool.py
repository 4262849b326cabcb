from __future__ import annotations

import pytest

from jackfield import fetch
from jackfield.fetching import pool as module
from jackfield.fetching.pool import Pool
from tests.certificates import Certificates
from tests.live import in_loop
from tests.scripted import Scripted, ok


@in_loop
async def test_no_more_than_a_few_are_kept() -> None:
    servers = [Scripted([ok(b"x")]) for _ in range(module.MOST_KEPT + 3)]
    async with Pool() as pool:
        for server in servers:
            with server:
                await fetch(server.url, pool=pool)
            assert pool.size <= module.MOST_KEPT
        assert pool.size == module.MOST_KEPT


def test_none_is_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_FOR", -1.0)
    with Scripted([ok(b"1")], [ok(b"2")]) as server, Pool() as pool:
        assert fetch(server.url, pool=pool).get().body == b"1"
        assert fetch(server.url, pool=pool).get().body == b"2"
        assert [asked.connection for asked in server.asked] == [1, 2]


def test_other_files_of_tls_are_other_connections(certificates: Certificates) -> None:
    with Scripted([ok(b"1")], [ok(b"2")], tls=certificates) as server, Pool() as pool:
        fetch(server.url, ca=certificates.ca, pool=pool).get()
        fetch(
            server.url, ca=certificates.ca, cert=certificates.cert, key=certificates.key, pool=pool
        ).get()
        assert [asked.connection for asked in server.asked] == [1, 2]


@in_loop
async def test_a_pool_may_be_shared_by_async_and_blocking_code() -> None:
    with Scripted([ok(b"1")], [ok(b"2")], [ok(b"3")]) as server:
        async with Pool() as pool:
            await fetch(server.url, pool=pool)
            fetch(server.url, pool=pool).get()  # on another loop: not that one's connection
            assert pool.size == 2
        assert pool.size == 0
        assert [asked.connection for asked in server.asked] == [1, 2]
        async with pool:
            assert (await fetch(server.url, pool=pool)).body == b"3"
