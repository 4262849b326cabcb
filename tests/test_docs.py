"""What the pages show is true: programs print it, commands are taken, files are there."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from jackfield import Limits, endpoints
from jackfield.cli.main import jackfield
from jackfield.fetching import urls
from jackfield.service import READY, find
from jackfield.services.files import places

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("[!_]*.md"))]

OTHER_PROGRAMS = {
    ".",
    "cd",
    "chmod",
    "curl",
    "echo",
    "git",
    "journalctl",
    "make",
    "nc",
    "openssl",
    "pip",
    "tar",
}
"""What a page may have its reader type beside our own commands and examples. Each was tried."""


class Typed(NamedTuple):
    """A command that a page shows, and what it says that comes of it."""

    page: Path
    command: str
    output: str


def blocks(page: Path, language: str) -> list[str]:
    """Give the code blocks of a page, those in lists too."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for _indent, code in found]


def typed() -> list[Typed]:
    """Give every command of every page."""
    return [
        Typed(page, *re.fullmatch(r"(.*)\n((?:.*\n)*)", part).groups())  # type: ignore[union-attr]  # it has a line
        for page in PAGES
        for block in blocks(page, "console")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]


def ours(shown: Typed) -> list[str] | None:
    """Give the words after `jackfield`, wherever it stands in a pipe."""
    for part in shown.command.split(" | "):
        words = shlex.split(re.sub(r" [<>] \S+", "", part))
        if "jackfield" in words:
            return words[words.index("jackfield") + 1 :]
    return None


def name_of(shown: Typed) -> str:
    """Name a test by the page and the command."""
    return f"{shown.page.stem}: {shown.command}"


COMMANDS = [shown for shown in typed() if ours(shown) is not None]
PROGRAMS = [shown for shown in typed() if shown.command.startswith("python ")]


def test_there_is_something_to_test() -> None:
    assert COMMANDS
    assert PROGRAMS


OTHERS = [s for s in PROGRAMS if not re.fullmatch(r"python examples/\S+\.py", s.command)]
"""What test_examples.py does not run with what the page shows."""


@pytest.mark.parametrize("shown", [pytest.param(s, id=name_of(s)) for s in OTHERS])
def test_a_program_prints_what_the_page_says(shown: Typed) -> None:
    words = shlex.split(shown.command)
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=50,
        check=True,
    )
    if shown.output:
        assert done.stdout == shown.output


@pytest.mark.parametrize("shown", [pytest.param(s, id=name_of(s)) for s in COMMANDS])
def test_a_command_is_one_that_jackfield_takes(shown: Typed) -> None:
    words = ours(shown)
    assert words is not None
    if words == ["--version"]:
        return
    group = click.Context(jackfield, info_name="jackfield")
    command = jackfield.get_command(group, words[0])
    assert command is not None
    made = command.make_context(words[0], words[1:], parent=group)
    for word in words:
        if re.match(r"https?://", word):
            urls.parse(word)
        elif words[0] in {"put", "get", "ls", "rm"} and "://" in word:
            places.place(word)
        elif re.match(r"[a-z+]+:(//|@)", word):
            endpoints.parse(word)
    service = made.params.get("service", "")
    if service and ":" not in service and service not in READY:
        find(service)


def test_every_other_command_is_known() -> None:
    others = [shown for shown in typed() if shown not in {*COMMANDS, *PROGRAMS}]
    unknown = [
        name_of(shown)
        for shown in others
        if not OTHER_PROGRAMS.issuperset(shown.command.removeprefix("sudo ").split()[:1])
        and not shown.command.startswith("sudo systemctl ")
    ]
    assert unknown == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    wanted = set(re.findall(r"(?:\$ |`)make ([a-z]\w*)", text))
    assert wanted
    assert wanted - targets == set()


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
)
def test_python_on_a_page_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        tree = compile(block, str(page), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jackfield"):
                exec(ast.unparse(node), {})  # noqa: S102  our own pages; a wrong name raises


def test_the_programs_of_the_readme_work(tmp_path: Path) -> None:
    serving, asking = blocks(ROOT / "README.md", "python")[:2]
    mine = tmp_path / "mine.py"
    mine.write_text(serving.replace(":9999", ":0"), encoding="utf-8")
    server = subprocess.Popen([sys.executable, str(mine)], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        listening = re.search(r"tcp://127\.0\.0\.1:\d+", server.stderr.readline())
        assert listening is not None
        asked = subprocess.run(
            [sys.executable, "-c", asking.replace("tcp://127.0.0.1:9999", listening[0])],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert asked.stdout == "HELLO\n"
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    (tree,) = (block for block in blocks(ROOT / "README.md", "text") if "src/jackfield/" in block)
    source: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            source.append(name)
            name = f"src/jackfield/{name}"
        assert (ROOT / name).exists(), name
        assert (ROOT / name).is_dir() == name.endswith("/"), name
    there = {
        path.name + "/" * path.is_dir()
        for path in (ROOT / "src/jackfield").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or [*path.glob("*.py")])
    }
    assert set(source) == there


def test_the_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if ":" not in link and not (ROOT / link).exists()] == []


def test_the_page_on_limits_says_what_happens_at_each() -> None:
    page = (ROOT / "docs/explanation/limits.md").read_text(encoding="utf-8")
    table = page.partition("## What happens at a limit")[2].partition("\n## ")[0]
    names = {field.name for field in dataclasses.fields(Limits)}
    assert names - set(re.findall(r"`(\w+)`", table)) == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
    for number, record in zip(numbers, records, strict=True):
        assert record.read_text(encoding="utf-8").startswith(f"# {number}. ")
