"""Files under every model, in workers and over every stream: they come whole, both ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jackfield import Endpoint
from jackfield.endpoints import Options
from jackfield.events import HandlerFailed
from jackfield.services.files import make
from jackfield.services.files.client import Remote
from jackfield.services.files.tasks import PutFolder
from tests.certificates import Certificates
from tests.live import ALL, SEVERAL, Live, in_loop
from tests.moved import Seen, contents, get, get_tree, names, over, parts_in, put, put_tree, stream
from tests.moved import do as done

PLACES = [*ALL, "workers"]
LONG = os.urandom(3_000_001)


@contextmanager
def serving(model: str, where: Any, folder: Path, **options: Any) -> Iterator[Live]:
    """Serve under a model, or by two workers."""
    inside: Any = "asyncio" if model == "workers" else model
    workers = 2 if model == "workers" else None
    folder.mkdir(exist_ok=True)
    service = make(folder=str(folder), **options)
    limits = replace(service.limits, linger_time=0.1)
    with Live(service, where, model=inside, limits=limits, workers=workers) as live:
        yield live
        assert live.of(HandlerFailed) == []


def reached(live: Live, ca: str) -> Endpoint:
    """Give where a client connects to."""
    found = live.endpoints[0]
    return replace(found, options=Options(ca=ca if found.transport.uses_tls else None))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of everything: empty, small and large files, folders within folders, odd names."""
    source = tmp_path / "source"
    (source / "in" / "deep").mkdir(parents=True)
    (source / "none").mkdir()
    (source / "empty").touch()
    (source / "long.bin").write_bytes(LONG)
    (source / "in" / "小明 ?#%.txt").write_bytes(b"small")
    (source / "in" / "deep" / ("n" * 255)).write_bytes(b"long name")
    (source / "run.sh").write_bytes(b"#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "in").chmod(0o750)
    for number, path in enumerate(sorted(source.rglob("*"), reverse=True)):
        os.utime(path, ns=(1, 1_600_000_000_000_000_001 + number))
    return source


@pytest.mark.some(2)
@pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
@pytest.mark.parametrize("model", PLACES)
@in_loop
async def test_there_and_back(
    model: str, transport: str, source: Path, short_folder: Path, certificates: Certificates
) -> None:
    where = {
        "tcp": "tcp://127.0.0.1:0",
        "tls": certificates.url(),
        "unix": f"unix://{short_folder}/s.sock",
    }[transport]
    there, back = short_folder / "there", short_folder / "back"
    with serving(model, where, there) as live:
        at = reached(live, certificates.ca)
        seen = await put_tree(at, source, "up")
        assert seen.errors == {}
        assert contents(there / "up") == contents(source)
        again = await put_tree(at, source, "up")
        assert again.errors == {}
        assert {moved.already for moved in again.moved.values() if moved is not None} == {True}
        seen = await get_tree(at, "up", back)
        assert seen.errors == {}
        assert contents(back) == contents(source)
        again = await get_tree(at, "up", back)
        assert again.errors == {}
        assert {moved.already for moved in again.moved.values() if moved is not None} == {True}
        assert parts_in(short_folder) == []


@pytest.mark.some(2)
@pytest.mark.parametrize("model", PLACES)
@in_loop
async def test_what_is_in_a_folder_is_listed_and_removed(model: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    with serving(model, "tcp://127.0.0.1:0", there) as live:

        async def doing(remote: Remote, seen: Seen) -> list[Any]:
            del seen
            await remote.do(stream(b"abc", "a/b.txt", mode=0o640, mtime=5_000_000_007))
            await remote.do(PutFolder("c", names=names("c")))
            found: list[Any] = [await remote.list([])]
            found.append(await remote.list([b"a"], hash=True))
            found.append(await remote.list([b"a", b"b.txt"]))
            found.append(await remote.about([b"a"]))
            await remote.remove([b"c"])
            await remote.remove([b"a"], deep=True)
            found.append(await remote.list([]))
            return found

        _, found = await over(live.endpoints[0], doing)
    top, inside, alone, about, empty = found
    assert [(one.name, one.kind) for one in top.entries] == [("a", "folder"), ("c", "folder")]
    assert [(one.name, one.size, one.mode, one.mtime) for one in inside.entries] == [
        ("b.txt", 3, 0o640, 5_000_000_007)
    ]
    assert inside.entries[0].hash == (
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
    )
    assert [one.name for one in alone.entries] == ["b.txt"]
    assert (about.name, about.kind) == ("a", "folder")
    assert empty.entries == []
    assert list(there.iterdir()) == []


@pytest.mark.some(1)
@pytest.mark.parametrize("model", [*SEVERAL, "workers"])
@in_loop
async def test_the_second_writer_of_a_name_is_told(model: str, tmp_path: Path) -> None:
    there, file = tmp_path / "there", tmp_path / "long.bin"
    file.write_bytes(LONG)
    with serving(model, "tcp://127.0.0.1:0", there) as live:
        at = live.endpoints[0]

        async def doing(remote: Remote, seen: Seen) -> Seen:
            """Offer a file, and hold it open while another client puts the same name."""
            await remote._say(
                {"do": "put", "name": "long.bin", "size": len(LONG), "mode": 0o644, "mtime": 0}
            )
            await remote._answer()
            second = await done(at, put(file), put(file, "other.bin"))
            await remote._say({"do": "stop"})
            await remote._answer()
            return second

        _, second = await over(at, doing)
        assert second.why("long.bin") == "busy"
        assert (there / "other.bin").read_bytes() == LONG
        assert not (there / "long.bin").exists()
        third = await done(at, put(file), get("long.bin", tmp_path / "back.bin"))
        assert third.errors == {}
    assert (there / "long.bin").read_bytes() == (tmp_path / "back.bin").read_bytes() == LONG
