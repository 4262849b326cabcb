"""The files of the board's page, without a browser: that they go with the package, and contrast."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from jackfield.board import web

PAGE = Path(web.__file__).parent / "page"
STYLE = (PAGE / "style.css").read_text()

MOST_LINES = 500

# Text on what it stands on: 4.5 to 1 is the least that WCAG 2.2 (1.4.3, level AA) has for text.
PAIRS = [
    ("ink", "paper"),
    ("ink", "side"),
    ("ink", "hover"),
    ("ink", "code"),
    ("ink", "to-me"),
    ("ink", "line"),
    ("dim", "paper"),
    ("dim", "side"),
    ("dim", "code"),
    ("new", "code"),
    ("accent", "code"),
    ("dim", "hover"),
    ("dim", "to-me"),
    ("accent", "paper"),
    ("link", "paper"),
    ("link", "to-me"),
    ("chosen-ink", "chosen"),
    ("on-accent", "accent"),
    ("new", "paper"),
    ("on-new", "new"),
    ("lost-ink", "lost"),
    ("rail-ink", "rail"),
    ("rail-on", "rail-chosen"),
]


def block(selector: str) -> dict[str, str]:
    """The colours that a rule gives names."""
    found = re.search(re.escape(selector) + r"\s*\{([^}]*)\}", STYLE)
    assert found is not None
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", found[1]))


LIGHT = block(":root")
DARK = block(':root[data-theme="dark"]')


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    digits = colour.strip().removeprefix("#")
    if len(digits) == 3:
        digits = "".join(one * 2 for one in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, LIGHT | DARK], ids=["light", "dark"])
def test_text_can_be_read_on_what_it_stands_on(colours: dict[str, str]) -> None:
    weak = {
        f"{text} on {ground}": round(contrast(colours[text], colours[ground]), 2)
        for text, ground in PAIRS
        if contrast(colours[text], colours[ground]) < 4.5
    }
    assert weak == {}


def test_a_letter_can_be_read_in_each_circle() -> None:
    hues = re.findall(r"\.hue-(\d) \{ background: (#\w+); \}", STYLE)
    assert len(hues) == 8
    assert {
        hue: round(contrast("#fff", hue), 1) for _, hue in hues if contrast("#fff", hue) < 4.5
    } == {}


def test_the_systems_dark_is_the_same_as_the_chosen_one() -> None:
    assert block(":root:not([data-theme])") == DARK


def test_every_colour_that_is_used_has_a_name() -> None:
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) == LIGHT.keys()


def test_each_file_stays_short() -> None:
    long = [one.name for one in PAGE.iterdir() if len(one.read_text().splitlines()) > MOST_LINES]
    assert long == []


def test_no_file_of_it_is_left_out_of_the_package() -> None:
    """The wheel has what git does not ignore."""
    files = [str(one) for one in PAGE.iterdir()]
    asked = subprocess.run(
        ["git", "-C", str(PAGE), "check-ignore", *files], capture_output=True, check=False
    )
    assert asked.stdout == b""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_each_module_can_be_parsed(tmp_path: Path) -> None:
    for script in PAGE.glob("*.js"):
        module = tmp_path / f"{script.stem}.mjs"
        module.write_text(script.read_text())
        subprocess.run(["node", "--check", str(module)], check=True, capture_output=True)
