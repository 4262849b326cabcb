"""Fail when a branch changes src/ and brings no news fragment, or one with a wrong name.

    python scripts/check_fragment.py [BASE]

BASE defaults to the branch this one is to be merged into: its upstream's main, or main. On main
itself, in a checkout without one, or outside git, there is nothing to compare with; only the
names are checked then.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

FOLDER = "changelog.d"
BASES = ["upstream/main", "origin/main", "main"]


def git(root: Path, *arguments: str) -> str | None:
    """Run git in `root`; give what it printed, or None when it failed or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def misnamed(root: Path) -> list[str]:
    """Give the names in the fragments' folder that are no fragment's: 42.fixed.md, +words.added.md.

    The kinds are the ones pyproject.toml gives towncrier.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    kinds = [kind["directory"] for kind in settings["tool"]["towncrier"]["type"]]
    shape = re.compile(rf"(\d+|\+[a-z0-9-]+)\.({'|'.join(kinds)})(\.\d+)?\.md")
    names = (path.name for path in (root / FOLDER).iterdir())
    return sorted(n for n in names if n != "README.md" and not shape.fullmatch(n))


def find_base(root: Path) -> str | None:
    """Give the branch to compare with: None on that branch itself, or without one."""
    head = git(root, "rev-parse", "HEAD")
    for base in BASES:
        commit = git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
        if commit:
            on_main = git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"
            return None if on_main or commit == head else base
    return None


def lacks_fragment(root: Path, base: str) -> bool:
    """Whether what lies between `base` and here changes src/ and touches no fragment."""
    changed = (git(root, "diff", "--name-only", f"{base}...HEAD") or "").splitlines()
    return any(name.startswith("src/") for name in changed) and not any(
        name.startswith(f"{FOLDER}/") or name == "CHANGELOG.md" for name in changed
    )


def complaints(root: Path, base: str | None) -> list[str]:
    """Give all that is wrong, a line each."""
    wrong = [
        f"{FOLDER}/{name}: a fragment is called ISSUE.KIND.md or +WORDS.KIND.md;"
        f" {FOLDER}/README.md lists the kinds"
        for name in misnamed(root)
    ]
    if base and lacks_fragment(root, base):
        wrong.append(
            f"this branch changes src/ and says nothing of it in {FOLDER}/:"
            f" add a fragment ({FOLDER}/README.md tells how)"
        )
    return wrong


def main() -> int:
    """Run as a command."""
    root = Path(__file__).resolve().parent.parent
    base = sys.argv[1] if len(sys.argv) > 1 else find_base(root)
    wrong = complaints(root, base)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
