"""Media types by a file's name: RFC 9110, section 8.3. The same on every system."""

from __future__ import annotations

import mimetypes

UNKNOWN = "application/octet-stream"

_known = mimetypes.MimeTypes(filenames=())
_MORE = {
    ".avif": "image/avif",
    ".csv": "text/csv",
    ".flac": "audio/flac",
    ".ico": "image/x-icon",
    ".ipynb": "application/json",
    ".js": "text/javascript",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".opus": "audio/ogg",
    ".pcap": "application/vnd.tcpdump.pcap",
    ".rs": "text/plain",
    ".toml": "application/toml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
for _ending, _type in _MORE.items():
    _known.add_type(_type, _ending)

_CODINGS = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}

_TEXT = frozenset(
    {
        "application/json",
        "application/jsonl",
        "application/manifest+json",
        "application/toml",
        "application/xml",
        "application/yaml",
        "image/svg+xml",
    }
)


def kind_of(name: str) -> str:
    """Give the media type of a file of this name; text is said to be UTF-8."""
    kind, coding = _known.guess_type(f"x/{name}", strict=True)
    if coding:  # a .tar.gz is sent as what it is, not as a tar that is to be unpacked on the way
        return _CODINGS.get(coding, UNKNOWN)
    if kind is None:
        return UNKNOWN
    return f"{kind}; charset=utf-8" if is_text(kind) else kind


def is_text(kind: str) -> bool:
    """Whether a media type is of text, which compression makes much smaller."""
    plain = kind.partition(";")[0]
    return plain.startswith("text/") or plain in _TEXT
