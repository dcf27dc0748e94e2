"""Feast's feature-server API, so that a `FeatureStore` with `online_store: {type: remote, path: http://...}` works against it.

| request | answer |
|---|---|
| POST /get-online-features | features of a feature service or a list, in Feast's own JSON |
| POST /push | rows of a push source into the online store, older ones never over newer ones |
| GET /health | 200 while the process lives |
| POST /write-to-online-store, /materialize, /materialize-incremental | 403, and what to do instead |

Feast reads, in threads: it blocks. Its errors are sent in its own form, from which its client raises them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from contract.service import Service
from serving.config import HttpConfig
from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.feast_described import GET_ONLINE_FEATURES, HEALTH, PUSH, REFUSED
from serving.protocols.feast_push import Pushes
from serving.protocols.feast_reads import read_features
from serving.protocols.request import Request
from serving.protocols.router import ADMIN, OPEN, READ, Route
from serving.protocols.threads import Threads
from serving.request.json_schema import example_columns

if TYPE_CHECKING:
    from feast import FeatureStore

_INSTEAD: Final = {
    "/write-to-online-store": "rows are written by the stream, by `make materialize`, or by POST /push of a push source",
    "/materialize": "run `make materialize`, which puts the rows through a gate",
    "/materialize-incremental": "run `make refresh`, which puts the rows through a gate",
}

_AWAY: Final = ("ConnectionError", "TimeoutError")
"""Names of the errors of a store that does not answer: built in, and those of the clients that Feast's own stores use."""


class FeastServer:
    """Answers Feast's clients.

    Args:
        store: The feature store.
        limits: How much one request may hold.
        example: A feature service that is served, for the description.
    """

    def __init__(self, store: FeatureStore, limits: HttpConfig, example: Service) -> None:
        """Begin without a thread."""
        asked = {"feature_service": example.name, "entities": example_columns(example), "full_feature_names": True}
        self._described = replace(GET_ONLINE_FEATURES, example=asked)
        self._store = store
        self._limits = limits
        self._pushes = Pushes(store)
        self._threads = Threads()

    def routes(self) -> list[Route]:
        """Return the protocol's routes."""
        return [
            Route("POST", "/get-online-features", self._read, READ, lambda: [self._described]),
            Route("POST", "/push", self._push, ADMIN, lambda: [PUSH]),
            Route("GET", "/health", self._alive, OPEN, lambda: [HEALTH]),
            *(Route("POST", path, self._refuse, ADMIN, lambda: [REFUSED]) for path in _INSTEAD),
        ]

    async def _read(self, request: Request) -> Answer:
        body = await request.json(self._limits.max_body_bytes)
        return await self._run(partial(read_features, self._store, body, self._limits.max_instances), request)

    async def _push(self, request: Request) -> Answer:
        request.require_json()
        body = await request.json(self._limits.max_body_bytes)
        return await self._run(partial(self._pushes.push, body, self._limits.max_instances), request)

    async def _run(self, work: Callable[[], dict[str, Any]], request: Request) -> Answer:
        from feast.errors import FeastError

        try:
            return Answer(await self._threads.run(work, request.deadline))
        except FeastError as error:
            status = error.http_status_code()
            return Answer(error.to_error_detail(), status if status < 500 else 422)
        except Exception as error:
            if not any(one.__name__ in _AWAY for one in type(error).__mro__):
                raise
            message = "the online store does not answer; try again in a second"
            raise AnswerError(503, message, RETRY_AFTER) from error

    async def _alive(self, _: Request) -> Answer:
        return Answer(b"")

    async def _refuse(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        raise AnswerError(403, f"{path} is not served here: {_INSTEAD[path]}")
