from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.net.folders import FileRefused, Folder
from jackfield.services.files import rights
from jackfield.services.files.rights import Anybody, Measured, Unmeasured
from tests.live import in_loop


def test_what_is_there_and_what_is_claimed_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "had").write_bytes(bytes(600))
    room = Measured(Folder(str(tmp_path)), 1000, 60)
    room.claim("", 300)
    with pytest.raises(
        FileRefused, match=r"101 bytes more are past the 1000 .* room for 100"
    ) as no:
        room.claim("", 101)
    assert no.value.why == "full"
    room.claim("", 100)
    monkeypatch.setattr(rights, "AGAIN", 0.0)  # measured anew: none of it has come
    room.claim("", 400)


@in_loop
async def test_by_itself_everybody_may_do_everything() -> None:
    anybody = Anybody()
    assert await anybody.enter("token", "192.0.2.1") == ""
    await anybody.may_change("", "a")
    await anybody.changed("", "a", 1)
    Unmeasured().claim("", 1 << 60)
