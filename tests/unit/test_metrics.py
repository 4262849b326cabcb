from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jackfield import events as happenings
from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError
from jackfield.events import Event, Events
from jackfield.metrics import Metrics
from jackfield.models.running import ConnectionStatus
from jackfield.net import files
from jackfield.service import Service
from tests import handlers
from tests.live import in_loop
from tests.seen import Counts, counts_of

TCP = parse("tcp://127.0.0.1:9999")
PEER = "tcp://127.0.0.1:50000"


class Server:
    """A server that has whoever the test says."""

    def __init__(self, name: str = "it") -> None:
        self.service: Service[Any] = Service(name, handlers.obey, handlers.native.framing)
        self.events = Events()
        self.here: list[ConnectionStatus] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    @property
    def connections(self) -> int:
        return len(self.here)

    async def status(self) -> list[ConnectionStatus]:
        found = list(self.here)
        self.asked.set()
        await self.may_answer.wait()
        return found

    def came(self, number: int, *moved: int) -> None:
        self.events.emit(happenings.ConnectionOpened(number, TCP, PEER))
        self.moved(number, *moved)

    def moved(self, number: int, *moved: int) -> None:
        self.here = [one for one in self.here if one.number != number]
        a, b, c, d = moved
        self.here.append(ConnectionStatus(number, str(TCP), PEER, 0.0, "waiting", a, b, c, d, 0))

    def went(self, number: int, *moved: int) -> None:
        self.here = [one for one in self.here if one.number != number]
        a, b, c, d = moved
        self.events.emit(happenings.ConnectionEnded(number, TCP, PEER, "", a, b, c, d))


def followed(name: str = "it") -> tuple[Metrics, Server]:
    metrics, server = Metrics(), Server(name)
    metrics.follow(server)
    return metrics, server


async def counts(metrics: Metrics, name: str = "it") -> Counts:
    return counts_of(await metrics.page(), name)


MOVED = ("received_bytes_total", "sent_bytes_total", "received_messages_total")


def moved(found: Counts) -> list[float]:
    return [found[name,] for name in (*MOVED, "sent_messages_total")]


@in_loop
async def test_every_counter_is_there_from_the_start_with_its_help_and_its_type() -> None:
    metrics, _ = followed()
    page = await metrics.page()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    ours = {name for name in families if name.startswith("jackfield_")}
    assert len(ours) == 15
    for name, family in families.items():
        assert family.documentation.endswith("."), name
        assert family.type == ("counter" if f"{name}_total" in page else "gauge"), name
    found = counts_of(page, "it")
    assert set(found.values()) == {0}
    assert len(found) == 12  # all but those whose other labels are not known yet
    assert page.endswith("\n")


@in_loop
async def test_the_process_is_told_of_as_prometheus_names_it() -> None:
    metrics, _ = followed()
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(await metrics.page())
        for sample in family.samples
        if not sample.labels
    }
    assert values["process_cpu_seconds_total"] > 0
    assert 0 < values["process_start_time_seconds"] <= time.time()
    assert values["process_resident_memory_bytes"] > 1_000_000
    assert 3 <= values["process_open_fds"] < 10_000


@in_loop
async def test_without_a_descriptor_left_the_page_is_given_all_the_same() -> None:
    metrics, _ = followed()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        page = await metrics.page()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "process_open_fds" not in page
    assert counts_of(page, "it")["connections",] == 0


def test_a_folder_that_cannot_be_counted_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    assert files.count_in(str(tmp_path)) == 1
    with pytest.raises(ConfigurationError, match=r"none: No such file or directory \(ENOENT\)"):
        files.count_in(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("event", "key", "amount"),
    [
        (happenings.ConnectionOpened(1, TCP, PEER), ("connections_opened_total", "tcp"), 1),
        (happenings.Refused(TCP, PEER, "full", "connections"), "connections", 1),
        (happenings.Refused(TCP, PEER, "no TLS"), "", 1),
        (happenings.HandlerFailed(1, PEER, "E", "T"), ("handlers_failed_total",), 1),
        (happenings.ChildLost(PEER, 1, "killed"), ("processes_lost_total",), 1),
        (happenings.WorkerLost(1, 1, "killed"), ("workers_lost_total",), 1),
        (happenings.DatagramsDropped(TCP, 7, "why"), ("datagrams_dropped_total", "why"), 7),
        (happenings.AcceptPaused(TCP, "EMFILE"), ("accept_pauses_total",), 1),
        (happenings.Reloaded(), ("reloads_total",), 1),
        (happenings.StoreChanged("full", "no room"), ("store_changes_total", "full"), 1),
        (happenings.Warned("look"), ("warnings_total",), 1),
        (happenings.Suspended(), ("reloads_total",), 0),
    ],
)
@in_loop
async def test_an_event_counts(event: Event, key: str | tuple[str, ...], amount: int) -> None:
    where = ("connections_refused_total", key) if isinstance(key, str) else key
    metrics, server = followed()
    for times in (1, 2):
        server.events.emit(event)
        found = await counts(metrics)
        assert found[where] == times * amount
        assert sum(found.values()) == times * amount


@in_loop
async def test_who_is_here_counts_beside_who_has_gone() -> None:
    metrics, server = followed()
    server.came(1, 10, 20, 1, 2)
    server.came(2, 100, 200, 10, 20)
    found = await counts(metrics)
    assert moved(found) == [110, 220, 11, 22]
    assert found["connections",] == 2
    assert found["connections_opened_total", "tcp"] == 2
    server.went(1, 11, 21, 2, 3)
    found = await counts(metrics)
    assert moved(found) == [111, 221, 12, 23]
    assert found["connections",] == 1


@in_loop
async def test_what_a_lost_worker_has_moved_does_not_vanish() -> None:
    metrics, server = followed()
    server.came(1, 10, 20, 1, 2)
    assert moved(await counts(metrics)) == [10, 20, 1, 2]
    server.went(1, 0, 0, 0, 0)
    assert moved(await counts(metrics)) == [10, 20, 1, 2]
    server.came(2, 5, 5, 5, 5)
    server.here.clear()  # its worker does not answer
    assert moved(await counts(metrics)) == [10, 20, 1, 2]
    server.went(2, 6, 6, 6, 6)
    assert moved(await counts(metrics)) == [16, 26, 7, 8]


@in_loop
async def test_one_that_ends_while_the_server_is_asked_counts_once() -> None:
    metrics, server = followed()
    server.came(1, 10, 20, 1, 2)
    server.may_answer.clear()
    page = asyncio.create_task(counts(metrics))
    await server.asked.wait()
    server.went(1, 11, 21, 2, 3)
    server.may_answer.set()
    assert moved(await page) == [11, 21, 2, 3]
    assert moved(await counts(metrics)) == [11, 21, 2, 3]


@in_loop
async def test_two_servers_of_one_service_are_added_up() -> None:
    metrics, one = followed()
    other, third = Server(), Server("other")
    metrics.follow(other)
    metrics.follow(third)
    one.came(1, 1, 2, 3, 4)
    other.came(1, 10, 20, 30, 40)
    third.came(1, 5, 5, 5, 5)
    assert moved(await counts(metrics)) == [11, 22, 33, 44]
    one.went(1, 1, 2, 3, 4)
    assert moved(await counts(metrics)) == [11, 22, 33, 44]
    assert moved(await counts(metrics, "other")) == [5, 5, 5, 5]


@in_loop
async def test_no_series_is_there_twice_and_those_of_one_name_have_the_same_labels() -> None:
    """To Prometheus an empty label is none, and a series that is there twice is an error."""
    metrics, server = followed()
    for limit in ("", "connections", ""):
        server.events.emit(happenings.Refused(TCP, PEER, "why", limit))
    server.came(1, 1, 1, 1, 1)
    for family in text_string_to_metric_families(await metrics.page()):
        series = [
            frozenset((label, value) for label, value in sample.labels.items() if value)
            for sample in family.samples
        ]
        assert len(set(series)) == len(series)
        assert len({frozenset(sample.labels) for sample in family.samples}) <= 1


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", '\\n"', "字 {}=,#", "a\\"])
@in_loop
async def test_whatever_a_label_says_is_read_back(name: str) -> None:
    metrics, server = followed(name)
    server.events.emit(happenings.DatagramsDropped(TCP, 3, name))
    assert (await counts(metrics, name))["datagrams_dropped_total", name] == 3
