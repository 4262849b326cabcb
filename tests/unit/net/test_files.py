from __future__ import annotations

import os
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net.files import own_folder, read


def test_a_file_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read(str(path), 5) == b"12345"
    with pytest.raises(ConfigurationError, match=r"file: more than the 4 bytes that such a file"):
        read(str(path), 4)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", r"No such file or directory \(ENOENT\)"),
        ("folder", r"Is a directory \(EISDIR\)"),
        ("file/x", r"Not a directory \(ENOTDIR\)"),
        ("x" * 300, r"File name too long \(ENAMETOOLONG\)"),
        ("nul\0", "null byte"),
    ],
)
def test_one_that_cannot_be_read_is_named_with_the_reason(
    name: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=why):
        read(f"{tmp_path}/{name}", 100)


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new"
    assert own_folder(str(path)) == str(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert own_folder(str(path)) == str(path)  # it is there already


def test_a_folder_that_is_not_ours_alone_is_refused(tmp_path: Path) -> None:
    shared, link, file = tmp_path / "shared", tmp_path / "link", tmp_path / "file"
    shared.mkdir()
    shared.chmod(0o770)
    link.symlink_to(tmp_path)
    file.touch()
    for path in (shared, link):
        with pytest.raises(ConfigurationError, match="is not a folder of yours alone; remove it"):
            own_folder(str(path))
    with pytest.raises(ConfigurationError, match=r"file: File exists \(EEXIST\)"):
        own_folder(str(file))
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        own_folder(str(tmp_path / "none" / "new"))


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(ConfigurationError, match="is not a folder of yours alone"):
        own_folder(str(tmp_path / "new"))
