"""The table of services, models and transports, as Markdown."""

from __future__ import annotations

from tests.models.matrix import MODELS, SCRIPTS, SERVICES, TRANSPORTS, reason

BEGIN, END = "<!-- made by tests/models: begin -->", "<!-- made by tests/models: end -->"

NAMES = {"async def": "your own, `async def`", "def": "your own, `def`"}


def put_into(page: str) -> str:
    """Give the page with the table and the transcripts as the tests show them."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_table()}\n{_transcripts()}{END}{after}"


def _table() -> str:
    notes: list[str] = []
    lines = [
        f"| service | transport | {' | '.join(MODELS)} |",
        f"| --- | --- |{' :-: |' * len(MODELS)}",
    ]
    for service in SERVICES:
        for transport in TRANSPORTS:
            cells = []
            for model in MODELS:
                why = reason(service, model, transport)
                if why and why not in notes:
                    notes.append(why)
                cells.append(f"refused, {notes.index(why) + 1}" if why else "same")
            name = NAMES.get(service, f"`{service}`") if transport == TRANSPORTS[0] else ""
            lines.append(f"| {name} | `{transport}` | {' | '.join(cells)} |")
    lines.append("")
    lines += [f"{number}. The server says at start: *{why}*" for number, why in enumerate(notes, 1)]
    return "\n".join(lines) + "\n"


def _transcripts() -> str:
    """Show what is said, `>` by the peer and `<` by the service."""
    parts = []
    for service, steps in SCRIPTS.items():
        if service not in NAMES:
            shown = "\n".join(_shown(step) for step in steps)
            parts.append(f"### `{service}`\n\n```text\n{shown}\n```\n")
    return "\n".join(parts)


def _shown(step: str) -> str:
    who, over = step.removesuffix("."), step.endswith(".") and len(step) <= len("A.")
    if over:
        return f"{who}{' ' if who else ''}(the service ends the conversation)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in step)
