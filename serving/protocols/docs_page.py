"""A page that shows the OpenAPI document and lets one try a request; nothing of it comes from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from serving.protocols.answer import Answer
from serving.protocols.described import Operation, Reply
from serving.protocols.request import Request
from serving.protocols.router import OPEN, Route

HTML: Final = b"text/html; charset=utf-8"

_OPERATION: Final = Operation("A page to read this and to try it", "about", {200: Reply("the page", {}, HTML.decode())})


class DocsPage:
    """Answers GET /docs. The page holds nothing that is secret: it reads the document with the reader's own key."""

    def __init__(self) -> None:
        """Read the page, and allow its own script and style only."""
        self._page = (Path(__file__).parent / "docs_page.html").read_bytes()
        rules = [
            "default-src 'none'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
        rules += [f"{kind}-src {_hash_of(kind, self._page)}" for kind in ("script", "style")]
        self._headers = (
            (b"content-security-policy", "; ".join(rules).encode()),
            (b"x-content-type-options", b"nosniff"),
        )

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("GET", "/docs", self._answer, OPEN, lambda: [_OPERATION])]

    async def _answer(self, _: Request) -> Answer:
        return Answer(self._page, headers=self._headers, content_type=HTML)


def _hash_of(tag: str, page: bytes) -> str:
    found = re.search(rb"<%b>(.*?)</%b>" % (tag.encode(), tag.encode()), page, re.DOTALL)
    if found is None:
        raise ValueError(f"docs_page.html has no <{tag}>; a rule without it would allow any.")
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}'"
