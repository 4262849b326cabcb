"""Say lines to a crowd at a fixed rate, and see to it that everybody hears each of them once.

    python -m benchmarks.load_fanout KIND PORT LISTENERS RATE WARM_MS MEASURE_MS

KIND is one of `tongues.py`. The listeners take turns at saying something, RATE times a second, and
all others hear it: that is a delivery. What is heard is compared byte by byte with what was said;
something heard twice, by whom it should not be, or not at all ends the run with an error.

It says and waits for what c/load.c does; the times are those from a line's being sent to its being
read by one of the others.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque

from benchmarks.taken import told
from benchmarks.tongues import SIZE, TONGUES, Tongue, WrongError

STALL_S = 10.0
"""Seconds without a word after which what is still missing is lost."""

MOST_COMING = 8
"""Listeners that come in at a time: some servers let but ten wait to be accepted."""

READ = 256 * 1024


class Listener:
    """One connection of the crowd."""

    def __init__(self, tongue: Tongue, port: int, name: str) -> None:
        self.name = name
        self.steps = deque(tongue.steps(name))
        self.heard: set[int] = set()
        self._tongue = tongue
        self._rest = b""
        self.sock = socket.create_connection(("127.0.0.1", port), STALL_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(self.steps[0][0])
        self.sock.setblocking(False)

    def read(self) -> list[bytes]:
        """Read what has come; give the texts that were heard."""
        try:
            data = self.sock.recv(READ)
        except BlockingIOError:
            return []
        if not data:
            raise WrongError(f"the server closed the connection of {self.name}")
        if self._rest:
            data = self._rest + data
        units, taken = self._tongue.cut(data)
        self._rest = data[taken:]
        texts = []
        for unit in units:
            text = self._tongue.text_of(unit)
            if text is None or self.steps:
                self._do(unit)
            else:
                texts.append(text)
        return texts

    def _do(self, unit: bytes) -> None:
        """Answer what is no message; go on with coming in."""
        answer = self._tongue.answer(unit)
        if self.steps and self.steps[0][1] in unit:
            self.steps.popleft()
            if self.steps:
                answer += self.steps[0][0]
        if answer:
            self.sock.sendall(answer)


class Crowd:
    """All listeners, and what is said among them."""

    def __init__(self, tongue: Tongue, port: int, count: int) -> None:
        """Bring them in. Raises WrongError."""
        self._tongue = tongue
        self._epoll = select.epoll()
        self._said: dict[bytes, int] = {}  # texts, and the numbers of the messages
        self._sent_at: list[int] = []
        self._took: list[int] = []
        self._by_fd: dict[int, Listener] = {}
        self._all: list[Listener] = []
        self._coming: set[Listener] = set()
        for number in range(count):
            listener = Listener(tongue, port, f"p{number}")
            self._all.append(listener)
            self._coming.add(listener)
            self._by_fd[listener.sock.fileno()] = listener
            self._epoll.register(listener.sock.fileno(), select.EPOLLIN)
            self._wait_for(MOST_COMING)
        self._wait_for(0)

    def _wait_for(self, most: int) -> None:
        """Wait until no more of them than that are still coming in. Raises WrongError."""
        last = time.monotonic()
        while len(self._coming) > most:
            if self._hear(STALL_S / 10):
                last = time.monotonic()
            elif time.monotonic() - last > STALL_S:
                one = self._coming.pop()
                raise WrongError(f"{one.name} waits for {one.steps[0][1]!r}")

    def run(self, seconds: float, rate: float) -> dict[str, float]:
        """Have them talk so long, and wait until everybody has heard it all. Raises WrongError."""
        self._took = []
        before = len(self._sent_at)
        count = max(1, round(seconds * rate))
        due = count * (len(self._all) - (not self._tongue.echoes))
        begin = last = time.monotonic()
        while len(self._took) < due:
            now = time.monotonic()
            said = len(self._sent_at) - before
            wait = STALL_S / 10
            if said < count:
                wait = begin + said / rate - now
                if wait <= 0:
                    self._say()
                    last, wait = now, 0
            if self._hear(wait):
                last = time.monotonic()
            elif now - last > STALL_S:
                raise WrongError(f"{due - len(self._took)} of {due} were not heard")
        passed = time.monotonic() - begin
        return told(self._took, passed)

    def _say(self) -> None:
        number = len(self._sent_at)
        speaker = self._all[number % len(self._all)]
        text = b"%06d the quick brown fox jumps over the lazy dog" % number
        text = text.ljust(SIZE, b".")
        self._said[text] = number
        if not self._tongue.echoes:
            speaker.heard.add(number)
        self._sent_at.append(time.monotonic_ns())
        data = self._tongue.say(speaker.name, number, text)
        if speaker.sock.send(data) != len(data):
            raise WrongError("the server takes nothing any more")

    def _hear(self, wait: float) -> bool:
        """Read what there is; whether there was anything."""
        events = self._epoll.poll(wait)
        for fd, _ in events:
            listener = self._by_fd[fd]
            heard = listener.heard
            texts = listener.read()
            if listener in self._coming and not listener.steps:
                self._coming.discard(listener)
            for text in texts:
                number = self._said.get(text, -1)
                if number < 0:
                    raise WrongError(f"nobody has said {text!r}")
                if number in heard:
                    raise WrongError(f"{listener.name} has heard {text[:6]!r} twice")
                heard.add(number)
                self._took.append(time.monotonic_ns() - self._sent_at[number])
        return bool(events)


def main() -> None:
    """Run as a command."""
    kind, *numbers = sys.argv[1:]
    port, listeners, rate, warm_ms, measure_ms = map(int, numbers)
    try:
        crowd = Crowd(TONGUES[kind], port, listeners)
        crowd.run(warm_ms / 1000, rate)
        print("warm", flush=True)
        if not sys.stdin.readline():
            return
        print(json.dumps(crowd.run(measure_ms / 1000, rate)), flush=True)
    except (WrongError, OSError) as error:
        raise SystemExit(f"{kind}: {error}") from None


if __name__ == "__main__":
    main()
