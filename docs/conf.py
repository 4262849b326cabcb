"""How the documentation is built: `make docs`, in which a warning is an error."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jackfield.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))  # for tables.py

project = "Jackfield"
author = "The Jackfield maintainers"
copyright = author
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "tables"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"Jackfield {release}"
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# `name` in a docstring links to what is called so, and is plain code where nothing is.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": True}

DESCRIBED = re.compile(r"(?P<names>\w+(?:, \w+)*): \S")


def describe_names(  # noqa: PLR0917  the signature is Sphinx's
    app: Sphinx, what: str, name: str, target: object, options: object, lines: list[str]
) -> None:
    """Show `name: what it is`, our way to describe parameters and attributes, as a definition.

    Only names that the object has are taken for such; the text may go on in further lines, up to
    an empty line or the next name.
    """
    del app, what, name, options
    known = _names_of(target)
    shown: list[str] = []
    inside = False
    for line in lines:
        match = DESCRIBED.match(line)
        if match and known.issuperset(match["names"].split(", ")):
            if not inside and shown and shown[-1]:
                shown.append("")
            inside = True
            names, text = line.split(": ", 1)
            shown += [f"``{names}``", f"    {text}"]
        else:
            inside = inside and bool(line)
            shown.append(f"    {line}" if inside else line)
    lines[:] = shown


def _names_of(target: object) -> set[str]:
    try:
        names = set(inspect.signature(target).parameters)  # type: ignore[arg-type]  # it may raise
    except (TypeError, ValueError):
        names = set()
    return names | set(dir(target)) | set(getattr(target, "__annotations__", ()))


def setup(app: Sphinx) -> None:
    """Hook into Sphinx."""
    app.connect("autodoc-process-docstring", describe_names)
