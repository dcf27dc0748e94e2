"""Opens a hot and a warm store as one online store (`stores.online.OnlineStore`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stores import online
from stores.breaker import OPEN_S
from stores.cells.layout import ViewLayout
from stores.online import OnlineStore, ProgressLog
from stores.tiered.reader import Count, TieredReader
from stores.tiered.warm_calls import FAILURES, WarmCalls
from stores.tiered.writer import TieredWriter


@dataclass(frozen=True, slots=True)
class TieredSettings:
    """What `feature_store.yaml` says of two stores, as plain data.

    Attributes:
        hot: Module and settings of the hot one, from `stores.online.find_room`.
        warm: Those of the warm one.
        warm_timeout_s: How long a read waits for the warm one, seconds.
        warm_failures: After how many reads in a row that bring nothing it is skipped.
        warm_skip_s: For how long, seconds.
    """

    hot: tuple[str, object]
    warm: tuple[str, object]
    warm_timeout_s: float
    warm_failures: int = FAILURES
    warm_skip_s: float = OPEN_S


class TieredStore:
    """A hot and a warm store. The stream's progress is kept in the hot one, and that is the one whose answer counts."""

    def __init__(
        self,
        hot: OnlineStore,
        warm: OnlineStore,
        warm_timeout_s: float,
        warm_failures: int = FAILURES,
        warm_skip_s: float = OPEN_S,
    ) -> None:
        """Take open stores."""
        self._hot = hot
        self._warm = warm
        self._calls = WarmCalls(warm_timeout_s, warm_failures, warm_skip_s)
        self._without_hot = Count()

    def reader(self, layouts: Sequence[ViewLayout]) -> TieredReader:
        """Return a reader of these views; where one is warm, connecting begins now and not in the time of the first read."""
        if any(layout.tier != "hot" for layout in layouts):
            self._calls.prepare(self._warm.ping)
        return TieredReader(self._hot, self._warm, self._calls, layouts, self._without_hot)

    def writer(self, *layouts: ViewLayout) -> TieredWriter:
        """Return a writer of views that have the same join keys."""
        return TieredWriter(self._hot, self._warm, *layouts)

    def progress(self, project: str) -> ProgressLog:
        """Return where the stream of a project says how far it is."""
        return self._hot.progress(project)

    def ping(self) -> None:
        """Ask the hot store for an answer: without the warm one, reads go on.

        Raises:
            OnlineStoreUnavailable: There is none.
        """
        self._hot.ping()

    def stats(self) -> Mapping[str, Any]:
        """Return what reads of both did, as JSON can hold it; of the warm one, how often it was skipped (`refused`)."""
        skipped = {"calls": self._calls.stats(), **self._warm.stats()}
        return {"hot": self._hot.stats(), "warm": skipped, "reads_without_hot": self._without_hot.value}


def settings(options: Any) -> TieredSettings:
    """Return the settings of `stores.tiered_online`."""
    return TieredSettings(
        online.find_room(options.hot),
        online.find_room(options.warm),
        options.warm_timeout_ms / 1000,
        options.warm_failures,
        options.warm_skip_ms / 1000,
    )


def open_room(settings: TieredSettings, timeout_s: float | None = None, check: bool = True) -> TieredStore:
    """Open both stores.

    Raises:
        OnlineStoreUnavailable: One does not answer.
    """
    hot, warm = (online.open_room(*one, timeout_s, check) for one in (settings.hot, settings.warm))
    return TieredStore(hot, warm, settings.warm_timeout_s, settings.warm_failures, settings.warm_skip_s)
