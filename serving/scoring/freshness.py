"""Tells when a view's values are older than they may be: when the stream that fills it has stopped or fallen behind.

A row holds from its own time until the next one (docs/semantics.md, rule 3), so an entity that nothing happened to has an old
row that is right. What counts is up to when the value is known to hold: the instant up to which the stream has brought the
view, or the row's own time where that is later or no stream tells.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.label import ServiceError
from contract.service import StoredView
from stores.cells.reading import ViewReading
from stores.online import OnlineStoreUnavailable, Progress

LOOK_S: Final = 1.0
"""How often is asked how far the stream is, seconds."""

_log = logging.getLogger(__name__)


class Frontier:
    """Knows up to when the stream has brought each view, as it was a moment ago.

    Args:
        read_progress: Reads how far the stream is.

    Attributes:
        complete_us: By view, UTC microseconds; replaced as a whole. While the store is away it stays, and so grows old.
    """

    def __init__(self, read_progress: Callable[[], Progress]) -> None:
        """Begin without an answer."""
        self.complete_us: Mapping[str, int] = {}
        self._read_progress = read_progress

    def look(self) -> None:
        """Ask now."""
        try:
            views = self._read_progress().views
        except OnlineStoreUnavailable:
            return
        self.complete_us = {name: one.complete for name, one in views.items() if one.complete}

    def start(self) -> None:
        """Ask again and again, in a thread of its own, until the process ends."""
        threading.Thread(target=self._watch, name="frontier", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.look()
            except Exception:
                _log.exception("how far the stream is could not be read")
            pause.wait(LOOK_S)


class Freshness:
    """Finds stale views of one service.

    Args:
        views: What the service reads.
        max_age_us: By view, how old its values may be, microseconds; others may be of any age.
        frontier: Up to when each view is known.

    Attributes:
        frontier: The same.
    """

    def __init__(self, views: Sequence[StoredView], max_age_us: Mapping[str, int], frontier: Frontier) -> None:
        self._bounds = [(one.alias, one.name, max_age_us[one.name]) for one in views if one.name in max_age_us]
        self.frontier = frontier

    def stale(
        self, views: Mapping[str, ViewReading], as_of_us: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Return, by alias, which requests have a stale view, shape (n,); only views that are stale for some.

        A view of which nothing is known is missing, not stale.

        Args:
            views: What was read, by alias.
            as_of_us: Shape (n,), UTC microseconds: the requests' own time.
        """
        found = {}
        for alias, name, bound in self._bounds:
            known = np.maximum(views[alias].event_timestamp_us, self.frontier.complete_us.get(name, 0))
            is_stale = (known > 0) & (as_of_us - known > bound)
            if is_stale.any():
                found[alias] = is_stale
        return found


def check_max_ages(max_age_us: Mapping[str, int], views: Sequence[StoredView]) -> None:
    """Refuse a bound for a view that is not read.

    Raises:
        ServiceError: There is one; says which views there are.
    """
    known = {view.name for view in views}
    for name in max_age_us:
        if name not in known:
            raise ServiceError(
                f"max_feature_age.{name}: no service that is served reads it; name one of {', '.join(sorted(known))}."
            )
