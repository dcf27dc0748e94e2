"""The files of the page, as they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "page"
TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page.

    Attributes:
        body: Its bytes.
        content_type: What it is.
        etag: Names exactly these bytes.
    """

    body: bytes
    content_type: bytes
    etag: bytes


def read_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """Return the files by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            body = path.read_bytes()
            etag = f'"{sha256(body).hexdigest()[:16]}"'.encode()
            found[path.name] = Asset(body, TYPES[path.suffix], etag)
    return found
