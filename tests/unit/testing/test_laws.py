from __future__ import annotations

import pytest

from jackfield import framing, testing


def test_it_is_a_public_face_and_names_what_it_has() -> None:
    for name in testing.__all__:
        assert callable(getattr(testing, name))


def test_check_framing_passes_what_is_right_and_tells_what_is_not() -> None:
    testing.check_framing(framing.fixed(4), [b"four", b"FOUR"])
    with pytest.raises(AssertionError, match="Raw breaks the law"):
        testing.check_framing(framing.raw(max_message=512), [b"one", b"two"])
