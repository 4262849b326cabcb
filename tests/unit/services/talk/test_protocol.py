from __future__ import annotations

import pytest

from jackfield.errors import LocalProtocolError
from jackfield.services.talk import wire
from jackfield.services.talk.events import (
    Confirmed,
    Event,
    Heard,
    Met,
    PeerBusy,
    PeerGone,
    PeerLeft,
    SentPlain,
    TakenForPlain,
    Unconfirmed,
)
from jackfield.services.talk.outbox import BACKLOG, FIRST_PATIENCE, LONGEST_PATIENCE, WINDOW
from jackfield.services.talk.protocol import (
    ASK_AGAIN,
    GONE,
    GRACE,
    HALF_LINE,
    LEAVING,
    LINGER,
    PING,
    Protocol,
    answer_to_stranger,
)

ME, PEER, OTHER = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"
HELLO = wire.hello(PEER, "Bob", "utf-8")


def frame(kind: str, number: int = 0, ack: int = 0, text: str = "", sender: str = PEER) -> bytes:
    return bytes(wire.Frame(sender, kind, number, ack, text))


def begun(*, datagrams: bool = True, encoding: str = "utf-8") -> Protocol:
    protocol = Protocol("Ann", datagrams=datagrams, encoding=encoding, identity=ME)
    protocol.start(0.0)
    assert protocol.outgoing() == [wire.hello(ME, "Ann", encoding)]
    return protocol


def met(*, datagrams: bool = True) -> Protocol:
    protocol = begun(datagrams=datagrams)
    protocol.receive(HELLO, 0.0)
    protocol.receive(frame(wire.ACK), 0.0)
    protocol.events()
    protocol.outgoing()
    return protocol


def sent(protocol: Protocol) -> list[tuple[str, int, int, str]]:
    """The frames that go out: kind, number, acknowledgement, text."""
    found = []
    for data in protocol.outgoing():
        read = wire.read(data.removesuffix(b"\n"), "utf-8")
        assert isinstance(read, wire.Frame), data
        assert read.sender == ME
        found.append((read.kind, read.number, read.ack, read.text))
    return found


def ended_with(protocol: Protocol, *events: Event) -> bool:
    return protocol.over and protocol.events() == list(events)


# Who is there


def test_a_peer_that_says_nothing_is_taken_for_plain_and_gets_what_was_held() -> None:
    protocol = begun()
    protocol.say("hello", 0.1)
    assert protocol.outgoing() == []
    assert protocol.deadline() == GRACE
    protocol.tick(GRACE)
    assert protocol.outgoing() == [b"hello\n"]
    assert protocol.events() == [TakenForPlain(), SentPlain("hello")]


def test_a_peer_that_says_something_else_is_plain_at_once() -> None:
    protocol = begun()
    protocol.receive(b"who is there?\r\n", 0.1)
    assert protocol.events() == [TakenForPlain(), Heard("who is there?")]
    protocol.say("me", 0.2)
    assert protocol.outgoing() == [b"me\n"]


def test_a_hello_makes_it_a_talk_and_is_answered() -> None:
    protocol = begun()
    protocol.say("hello", 0.0)
    protocol.receive(HELLO, 0.1)
    assert protocol.events() == [Met("Bob")]
    assert sent(protocol) == [("A", 0, 0, ""), ("L", 1, 0, "hello")]


def test_a_late_hello_counts_too_and_ours_is_said_again() -> None:
    protocol = begun()
    protocol.tick(GRACE)
    protocol.receive(HELLO, GRACE + 1)
    assert protocol.events() == [TakenForPlain(), Met("Bob")]
    again, answer = protocol.outgoing()
    assert again == wire.hello(ME, "Ann", "utf-8")
    assert answer == frame(wire.ACK, sender=ME)


def test_the_hello_is_said_again_until_the_peer_knows_us() -> None:
    protocol = begun()
    protocol.receive(HELLO, 0.0)
    protocol.outgoing()
    protocol.tick(FIRST_PATIENCE)
    assert protocol.outgoing() == [wire.hello(ME, "Ann", "utf-8")]
    protocol.receive(frame(wire.ACK), FIRST_PATIENCE + 0.1)
    protocol.tick(FIRST_PATIENCE * 10)
    assert wire.hello(ME, "Ann", "utf-8") not in protocol.outgoing()


def test_frames_before_the_hello_are_left_to_come_again() -> None:
    protocol = begun()
    protocol.receive(frame(wire.LINE, 1, 0, "early"), 0.0)
    assert protocol.events() == []
    protocol.receive(HELLO + frame(wire.LINE, 1, 0, "early"), 0.1)
    assert protocol.events() == [Met("Bob"), Heard("early")]


def test_an_echo_of_ourselves_is_a_plain_peer() -> None:
    protocol = begun()
    protocol.receive(wire.hello(ME, "Ann", "utf-8"), 0.1)
    assert protocol.events() == [TakenForPlain()]
    protocol.say("hello", 0.2)
    protocol.receive(b"hello\n", 0.3)
    assert protocol.events() == [SentPlain("hello"), Heard("hello")]


def test_a_busy_peer_ends_it() -> None:
    protocol = begun()
    protocol.say("hello", 0.0)
    protocol.receive(wire.busy("Bob", "utf-8"), 0.1)
    assert ended_with(
        protocol,
        PeerBusy("Bob is talking with somebody else; try again later"),
        Unconfirmed("hello"),
    )


@pytest.mark.parametrize("sign", [wire.hello(OTHER, "Bob", "utf-8"), frame("R", sender=ME)])
def test_a_peer_that_started_over_is_gone(sign: bytes) -> None:
    protocol = met()
    protocol.say("hello", 0.0)
    protocol.receive(sign, 0.1)
    assert ended_with(protocol, PeerGone("it has started over"), Unconfirmed("hello"))


def test_frames_of_others_mean_nothing() -> None:
    protocol = met()
    protocol.receive(frame(wire.LINE, 1, 0, "not mine", sender=OTHER), 0.1)
    protocol.receive(frame(wire.UNKNOWN, sender=OTHER), 0.1)
    protocol.receive(b"\x01garbage\n", 0.1)
    assert protocol.events() == []
    assert not protocol.over


# Lines


def test_lines_are_confirmed_and_the_window_is_kept() -> None:
    protocol = met()
    for number in range(WINDOW + BACKLOG):
        assert protocol.room
        protocol.say(str(number), 0.0)
    assert not protocol.room
    assert len(sent(protocol)) == WINDOW
    protocol.receive(frame(wire.ACK, 0, 2), 0.1)
    assert protocol.events() == [Confirmed("0"), Confirmed("1")]
    assert [text for _, _, _, text in sent(protocol)] == [str(WINDOW), str(WINDOW + 1)]
    assert protocol.room


def test_the_oldest_line_is_sent_again_ever_later() -> None:
    protocol = met()
    protocol.say("one", 0.0)
    protocol.say("two", 0.0)
    protocol.outgoing()
    now, pauses = 0.0, []
    for _ in range(6):
        deadline = protocol.deadline()
        assert deadline is not None
        pauses.append(deadline - now)
        now = deadline
        protocol.receive(frame(wire.ASK), now)  # it is there
        protocol.tick(now)
        assert ("L", 1, 0, "one") in sent(protocol)
    assert pauses == [0.5, 1.0, *[LONGEST_PATIENCE] * 4]


def test_the_time_to_send_again_is_learned_from_answers() -> None:
    protocol = met()
    for number in range(1, 20):
        protocol.say("x", float(number))
        protocol.receive(frame(wire.ACK, 0, number), number + 0.2)
    protocol.say("last", 20.0)
    deadline = protocol.deadline()
    assert deadline is not None
    assert 20.2 < deadline < 20.4


def test_over_a_stream_nothing_is_sent_again() -> None:
    protocol = met(datagrams=False)
    protocol.say("one", 0.0)
    protocol.outgoing()
    assert protocol.deadline() == PING
    protocol.tick(PING)
    assert sent(protocol) == [("K", 0, 0, "")]


def test_what_comes_early_waits_and_what_came_is_confirmed_again() -> None:
    protocol = met()
    protocol.receive(frame(wire.LINE, 2, 0, "two"), 0.0)
    assert protocol.events() == []
    assert sent(protocol) == [("A", 1, 0, "")]
    protocol.receive(frame(wire.LINE, 1, 0, "one"), 0.1)
    assert protocol.events() == [Heard("one"), Heard("two")]
    assert sent(protocol) == [("A", 0, 2, "")]
    protocol.receive(frame(wire.LINE, 1, 0, "one"), 0.2)
    assert protocol.events() == []
    assert sent(protocol) == [("A", 0, 2, "")]


def test_a_line_past_the_bound_or_with_a_line_ending_is_refused() -> None:
    protocol = met()
    with pytest.raises(LocalProtocolError, match="8192 are the most"):
        protocol.say("世" * 3000, 0.0)
    with pytest.raises(LocalProtocolError, match="send it line by line"):
        protocol.say("a\nb", 0.0)
    protocol.leave(0.0)
    with pytest.raises(LocalProtocolError, match="the conversation is over"):
        protocol.say("too late", 0.0)


def test_what_the_encoding_lacks_is_not_sent_to_a_plain_peer() -> None:
    protocol = begun(encoding="gbk")
    protocol.receive("你好\n".encode("gbk"), 0.0)
    protocol.say("好", 0.0)
    protocol.say("🙂", 0.0)
    assert protocol.outgoing() == ["好\n".encode("gbk")]
    assert protocol.events() == [
        TakenForPlain(),
        Heard("你好"),
        SentPlain("好"),
        Unconfirmed("🙂"),
    ]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    protocol = begun()
    protocol.receive(b"\xff\n", 0.0)
    assert protocol.events() == [TakenForPlain(), Heard("\\xff")]


# Half lines


def test_half_a_line_of_a_plain_program_is_shown_after_a_moment() -> None:
    protocol = begun(datagrams=False)
    protocol.receive(b"Tra", 0.0)
    protocol.receive(b"cy", 0.1)
    assert protocol.deadline() == pytest.approx(0.1 + HALF_LINE)
    protocol.tick(0.1 + HALF_LINE)
    assert protocol.events() == [TakenForPlain(), Heard("Tracy")]


def test_half_a_hello_is_waited_for() -> None:
    protocol = begun(datagrams=False)
    protocol.receive(HELLO[:25], 0.0)
    protocol.tick(0.9)
    assert protocol.events() == []
    protocol.receive(HELLO[25:], 0.95)
    assert protocol.events() == [Met("Bob")]


def test_a_line_without_an_end_is_cut_rather_than_kept() -> None:
    protocol = begun(datagrams=False)
    for _ in range(100):
        protocol.receive(b"x" * 1000, 0.0)
    heard = [event for event in protocol.events() if isinstance(event, Heard)]
    assert all(len(event.text) < 10_000 for event in heard)
    assert sum(len(event.text) for event in heard) > 90_000


def test_a_datagram_of_several_lines_is_several_lines() -> None:
    protocol = begun()
    protocol.receive(b"one\ntwo", 0.0)
    assert protocol.events() == [TakenForPlain(), Heard("one"), Heard("two")]


# Leaving


def test_leaving_comes_after_all_lines_and_ends_when_it_has_arrived() -> None:
    protocol = met()
    protocol.say("one", 0.0)
    protocol.leave(0.0)
    protocol.leave(0.0)
    assert sent(protocol) == [("L", 1, 0, "one"), ("B", 2, 0, "")]
    protocol.receive(frame(wire.ACK, 0, 1), 0.1)
    assert not protocol.over
    protocol.receive(frame(wire.ACK, 0, 2), 0.2)
    assert ended_with(protocol, Confirmed("one"))


def test_the_peer_leaving_ends_it_once_its_goodbye_is_confirmed() -> None:
    protocol = met()
    protocol.receive(frame(wire.BYE, 1, 0), 0.0)
    assert sent(protocol) == [("A", 0, 1, "")]
    assert ended_with(protocol, PeerLeft())


def test_lines_under_way_when_the_peer_leaves_may_still_be_confirmed() -> None:
    protocol = met()
    protocol.say("one", 0.0)
    protocol.receive(frame(wire.BYE, 1, 0), 0.0)
    assert not protocol.over
    with pytest.raises(LocalProtocolError):
        protocol.say("two", 0.0)
    protocol.receive(frame(wire.ACK, 0, 1), 0.1)
    assert ended_with(protocol, PeerLeft(), Confirmed("one"))


def test_who_was_left_waits_no_longer_than_a_moment() -> None:
    protocol = met()
    protocol.say("one", 0.0)
    protocol.receive(frame(wire.BYE, 1, 0), 0.0)
    protocol.tick(LINGER)
    assert ended_with(protocol, PeerLeft(), Unconfirmed("one"))


def test_a_goodbye_that_nobody_confirms_is_given_up() -> None:
    protocol = met()
    protocol.say("one", 0.0)
    protocol.leave(0.0)
    protocol.tick(LEAVING)
    assert ended_with(protocol, PeerGone("it answers no more"), Unconfirmed("one"))


def test_a_goodbye_that_nobody_confirms_is_no_loss_when_all_lines_arrived() -> None:
    protocol = met()
    protocol.leave(0.0)
    protocol.tick(LEAVING)
    assert ended_with(protocol)


def test_the_end_of_a_stream_is_a_plain_peers_goodbye() -> None:
    protocol = begun(datagrams=False)
    protocol.receive(b"see you", 0.0)
    protocol.ended("", 0.1)
    assert ended_with(protocol, TakenForPlain(), Heard("see you"), PeerLeft())


def test_the_end_of_a_stream_without_a_goodbye_is_a_loss() -> None:
    protocol = met(datagrams=False)
    protocol.ended("", 0.1)
    assert ended_with(protocol, PeerGone("it has ended the connection without a goodbye"))
    protocol = met(datagrams=False)
    protocol.ended("the peer reset the connection", 0.1)
    assert ended_with(protocol, PeerGone("the peer reset the connection"))


def test_a_plain_peer_over_datagrams_is_told_in_words() -> None:
    protocol = begun()
    protocol.receive(b"hi\n", 0.0)
    protocol.leave(0.0)
    assert protocol.outgoing() == [b"bye\n"]
    assert protocol.over
    assert protocol.deadline() is None


def test_leaving_before_anything_is_known_waits_for_that() -> None:
    protocol = begun()
    protocol.say("hello", 0.0)
    protocol.leave(0.0)
    assert not protocol.over
    protocol.tick(GRACE)
    assert protocol.outgoing() == [b"hello\n", b"bye\n"]
    assert ended_with(protocol, TakenForPlain(), SentPlain("hello"))


# Silence


def test_a_silent_peer_is_asked_and_then_taken_to_be_gone() -> None:
    protocol = met(datagrams=False)
    now, asked = 0.0, 0
    while not protocol.over:
        deadline = protocol.deadline()
        assert deadline is not None
        now = deadline
        protocol.tick(now)
        asked += len(sent(protocol))
    assert now == GONE
    assert asked == (GONE - PING) / ASK_AGAIN
    assert ended_with(protocol, PeerGone("it answers no more"))


def test_whatever_comes_is_a_sign_of_life() -> None:
    protocol = met()
    for now in range(0, 100, 4):
        protocol.tick(float(now))
        protocol.receive(frame(wire.ASK), float(now))
    assert not protocol.over
    assert protocol.events() == []


# After the end


def test_after_the_end_late_frames_are_answered() -> None:
    protocol = met()
    protocol.receive(frame(wire.LINE, 1, 0, "one") + frame(wire.BYE, 2, 0), 0.0)
    assert protocol.over
    assert protocol.answer_after(frame(wire.BYE, 2, 0)) == frame(wire.ACK, 0, 2, sender=ME)
    assert protocol.answer_after(frame(wire.ACK, 0, 2)) == b""
    assert protocol.answer_after(b"hello\n") == b""
    protocol.receive(frame(wire.LINE, 3, 0, "late"), 1.0)
    protocol.ended("", 1.0)
    protocol.leave(1.0)
    assert protocol.outgoing()[-1] == frame(wire.ACK, 0, 2, sender=ME)


def test_a_peer_we_have_given_up_is_told_that_it_is_over() -> None:
    protocol = met()
    protocol.tick(GONE)
    assert protocol.over
    assert protocol.answer_after(frame(wire.ASK)) == frame(wire.UNKNOWN)


def test_strangers_are_told_so_and_nothing_is_said_to_what_is_no_frame() -> None:
    assert answer_to_stranger(frame(wire.LINE, 5, 0, "hello")) == frame(wire.UNKNOWN)
    assert answer_to_stranger(frame(wire.UNKNOWN)) == b""
    assert answer_to_stranger(HELLO) == b""
    assert answer_to_stranger(b"hello") == b""
