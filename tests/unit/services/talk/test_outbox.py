from __future__ import annotations

import pytest

from jackfield.services.talk.outbox import (
    BACKLOG,
    BYE,
    FIRST_PATIENCE,
    LONGEST_PATIENCE,
    OVERTAKEN,
    SHORTEST_PATIENCE,
    WINDOW,
    Outbox,
    Patience,
)


def outbox(*, reliable: bool = False) -> Outbox:
    return Outbox(Patience(), reliable=reliable)


def numbers(box: Outbox, now: float) -> list[int]:
    return [sent.number for sent in box.to_send(now)]


def filled(count: int, *, reliable: bool = False) -> Outbox:
    box = outbox(reliable=reliable)
    for number in range(1, count + 1):
        box.put(str(number))
    return box


def test_lines_wait_for_the_window() -> None:
    box = filled(WINDOW + BACKLOG)
    assert numbers(box, 0.0) == list(range(1, WINDOW + 1))
    assert numbers(box, 0.0) == []
    assert not box.room
    assert box.confirm(2, 0, 0.1) == ["1", "2"]
    assert numbers(box, 0.1) == [WINDOW + 1, WINDOW + 2]


def test_a_line_that_others_overtook_is_sent_again_at_once() -> None:
    box = filled(5)
    box.to_send(0.0)
    for early in range(1, OVERTAKEN):
        assert box.confirm(0, (1 << early) - 1, 0.01) == []
        assert numbers(box, 0.01) == []
    box.confirm(0, (1 << OVERTAKEN) - 1, 0.01)
    assert numbers(box, 0.01) == [1]
    assert numbers(box, 0.01) == []  # once
    assert box.confirm(4, 0, 0.02) == ["1", "2", "3", "4"]


def test_the_copy_may_be_overtaken_in_turn() -> None:
    box = filled(4)
    box.to_send(0.0)
    box.confirm(0, 0b111, 0.01)
    assert numbers(box, 0.01) == [1]
    for number in range(5, 8):
        box.put(str(number))
    assert numbers(box, 0.02) == [5, 6, 7]
    box.confirm(0, 0b111111, 0.03)
    assert numbers(box, 0.03) == [1]


def test_the_oldest_is_sent_again_when_patience_is_over() -> None:
    box = filled(2)
    box.to_send(0.0)
    assert box.deadline == FIRST_PATIENCE
    assert numbers(box, FIRST_PATIENCE) == [1]
    assert box.deadline == FIRST_PATIENCE * 3
    assert numbers(box, FIRST_PATIENCE * 2.9) == []
    assert numbers(box, FIRST_PATIENCE * 3) == [1]


def test_a_reliable_transport_needs_nothing_twice() -> None:
    box = filled(5, reliable=True)
    box.to_send(0.0)
    assert box.deadline is None
    box.confirm(0, 0b1111, 0.01)
    assert numbers(box, 100.0) == []


def test_word_of_what_was_never_sent_or_came_before_changes_nothing() -> None:
    box = filled(3)
    box.to_send(0.0)
    assert box.confirm(4, 0, 0.1) == []
    assert box.confirm(2, 1 << 39, 0.1) == ["1", "2"]
    assert box.confirm(1, 0, 0.1) == []
    assert box.confirm(3, 0, 0.1) == ["3"]
    assert box.empty


def test_what_is_left_can_be_told() -> None:
    box = filled(2)
    assert box.lines_left
    assert box.take_waiting() == ["1", "2"]
    assert not box.lines_left
    box.put("3")
    box.put(BYE)
    box.to_send(0.0)
    box.put("4")
    assert box.take_all() == ["3", BYE, "4"]
    assert box.empty


@pytest.mark.parametrize(("answers", "seconds"), [(0.001, SHORTEST_PATIENCE), (1.0, 1.0)])
def test_patience_is_learned(answers: float, seconds: float) -> None:
    patience = Patience()
    assert patience.after(0) == FIRST_PATIENCE
    for _ in range(100):
        patience.measure(answers)
    assert patience.after(0) == pytest.approx(seconds, rel=0.01)
    assert patience.after(1) == pytest.approx(2 * seconds, rel=0.01)
    assert patience.after(1000) == LONGEST_PATIENCE
