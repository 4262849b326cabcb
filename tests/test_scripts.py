"""The project's own checks can fail: each against a small project that breaks its rule."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_fragment

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = """
[[tool.towncrier.type]]
directory = "added"
[[tool.towncrier.type]]
directory = "fixed"
"""


def git(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *name, *arguments], check=True, capture_output=True)


def write(project: Path, **files: str) -> None:
    for name, text in files.items():
        path = project / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        git(project, "add", ".")
    git(project, "commit", "-q", "-m", "a change")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one commit on main."""
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "README.md").write_text("how", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, src__a="1")
    return tmp_path


def complaints(project: Path) -> list[str]:
    return check_fragment.complaints(project, check_fragment.find_base(project))


def test_a_branch_that_changes_the_source_needs_a_fragment(project: Path) -> None:
    git(project, "switch", "-q", "-c", "change")
    write(project, src__a="2")
    (complaint,) = complaints(project)
    assert "changes src/ and says nothing of it" in complaint
    (project / "changelog.d" / "42.added.md").write_text("News.", encoding="utf-8")
    write(project, src__b="3")
    assert complaints(project) == []


def test_a_branch_that_leaves_the_source_alone_needs_none(project: Path) -> None:
    git(project, "switch", "-q", "-c", "change")
    write(project, docs__a="2")
    assert complaints(project) == []


def test_a_branch_is_compared_with_where_it_left_the_upstream(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(clone.parent, "clone", "-q", str(project), str(clone))
    git(clone, "switch", "-q", "-c", "change")
    write(clone, docs__a="2")
    write(project, src__a="2")
    git(clone, "fetch", "-q")
    assert complaints(clone) == []
    write(clone, src__b="3")
    assert len(complaints(clone)) == 1


def test_main_itself_needs_none(project: Path) -> None:
    write(project, src__a="2")
    assert complaints(project) == []


@pytest.mark.parametrize("name", ["42.md", "news.added.md", "+x.add.md", "42.added.txt", "a b.md"])
def test_a_misspelt_fragment_is_named(project: Path, name: str) -> None:
    (project / "changelog.d" / name).write_text("News.", encoding="utf-8")
    (complaint,) = complaints(project)
    assert complaint.startswith(f"changelog.d/{name}: ")


@pytest.mark.parametrize("name", ["42.added.md", "42.fixed.2.md", "+half-close.added.md"])
def test_a_well_named_fragment_passes(project: Path, name: str) -> None:
    (project / "changelog.d" / name).write_text("News.", encoding="utf-8")
    assert complaints(project) == []


def test_without_git_the_names_are_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "news").write_text("News.", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    assert len(complaints(tmp_path)) == 1


def test_a_python_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    for name in ["python3.11", "python3.12", "python3.13"]:
        (tmp_path / name).symlink_to(old)
    done = set_up(tmp_path, {})
    assert done.stderr.startswith("jackfield: needs Python 3.11 or later, and found Python 3.9.2;")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1


def test_a_named_python_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    done = set_up(tmp_path, {"PYTHON": "/bin/false"})
    assert done.stderr.startswith("jackfield: PYTHON=/bin/false is not a Python 3.11 or later;")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1


def set_up(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the set-up script where the only Pythons are those in `folder`."""
    (folder / "dirname").symlink_to("/usr/bin/dirname")
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "venv.sh")],
        env={"PATH": str(folder), "VENV": str(folder / "venv")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_proof_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "proof.py"), "nothing"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("no proof is called nothing; there is: suite, ")
    assert done.returncode == 2
