"""The console: a page for people, and what it shows.

| request | answer |
|---|---|
| GET /console | the page; what it is made of lies at `/console/{file}` |
| GET /v1/features?service=&key=value | the stored features of one entity, with ages |
| GET /v1/decisions?service=&limit=&decision= | the newest decisions of the decision log |
| GET /v1/stream | how the stream is |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contract.records import decisions_folder
from serving.console.assets import read_assets
from serving.console.decisions import newest_decisions
from serving.console.entity import read_entity
from serving.console.stream import StreamHealth
from serving.protocols import console_described as described
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.request import Request
from serving.protocols.router import OPEN, READ, Route
from serving.scoring.scorer import Scorer
from stores.online import OnlineStoreUnavailable

PAGE: Final = "console.html"
MOST_DECISIONS: Final = 1000
SAFE: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


class Console:
    """Answers the page and its questions; files and stores are read in threads."""

    def __init__(self, scorers: Mapping[str, Scorer], data: Path) -> None:
        """Take the scorers, the default first, and the workspace's data folder."""
        self._scorers = scorers
        self._data = data
        self._assets = read_assets()
        self._stream = StreamHealth(data, next(iter(scorers.values())).lookup.progress)

    def routes(self) -> list[Route]:
        """Return the routes. The page is for all, what it asks for is not."""
        keys = {name: kind for one in self._scorers.values() for name, kind in one.service.keys}
        return [
            Route("GET", "/console", self._page, OPEN, lambda: [described.PAGE]),
            Route("GET", "/console/{file}", self._page, OPEN, lambda: described.files(self._assets)),
            Route("GET", "/v1/features", self._features, READ, lambda: [described.features(keys)]),
            Route("GET", "/v1/decisions", self._newest, READ, lambda: [described.DECISIONS]),
            Route("GET", "/v1/stream", self._health, READ, lambda: [described.STREAM]),
        ]

    async def _page(self, request: Request) -> Answer:
        name = request.names.get("file", PAGE)
        asset = self._assets.get(name)
        if asset is None:
            raise AnswerError(404, f"the console has no {name}; it has {', '.join(self._assets)}")
        headers = (*SAFE, (b"etag", asset.etag))
        if request.header(b"if-none-match") == asset.etag.decode():
            return Answer(b"", 304, headers, asset.content_type)
        return Answer(asset.body, 200, headers, asset.content_type)

    async def _features(self, request: Request) -> Answer:
        given = request.query()
        _, scorer = self._find(given)
        given.pop("service", None)
        now_us = time.time_ns() // 1000
        try:
            return Answer(await asyncio.to_thread(read_entity, scorer.service, scorer.lookup, given, now_us))
        except OnlineStoreUnavailable as error:
            raise AnswerError(503, str(error)) from None

    async def _newest(self, request: Request) -> Answer:
        given = request.query()
        name, _ = self._find(given)
        text = given.get("limit", "50")
        if not text.isdecimal() or not 1 <= int(text) <= MOST_DECISIONS:
            raise AnswerError(422, f"expected a whole number from 1 to {MOST_DECISIONS}, got {text}", field="limit")
        only = given.get("decision") or None
        found = await asyncio.to_thread(newest_decisions, decisions_folder(self._data, name), int(text), only)
        return Answer({"service": name, "decisions": found})

    async def _health(self, _: Request) -> Answer:
        return Answer(await asyncio.to_thread(self._stream.tell))

    def _find(self, given: Mapping[str, str]) -> tuple[str, Scorer]:
        name = given.get("service") or next(iter(self._scorers))
        if name not in self._scorers:
            raise AnswerError(404, f"service {name} is not served; there are {', '.join(self._scorers)}")
        return name, self._scorers[name]
