"""Reads views of two stores as one: both at the same time, and the warm one again for what the hot one lost or cannot say."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from stores.cells.entity_keys import Values
from stores.cells.layout import ViewLayout
from stores.cells.merge import fill_rows, mark_stale, unavailable_view
from stores.cells.reading import Reading, Status, ViewReading
from stores.online import OnlineStore, OnlineStoreUnavailable, ViewReader
from stores.tiered.warm_calls import WarmCalls

AsOf = int | npt.NDArray[np.int64] | None


class Count:
    """Counts, from several threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self.value += 1


class TieredReader:
    """Reads the rows of several feature views, each from the tier that its layout names.

    Args:
        hot: The store of tiers `hot` and `both`.
        warm: The store of tiers `warm` and `both`.
        calls: Makes the calls to the warm one.
        layouts: The views, with unique names or aliases.
        without_hot: Counts the reads that were answered without the hot store.
    """

    def __init__(
        self,
        hot: OnlineStore,
        warm: OnlineStore,
        calls: WarmCalls,
        layouts: Sequence[ViewLayout],
        without_hot: Count | None = None,
    ) -> None:
        self._layouts = layouts
        self._without_hot = without_hot or Count()
        self._warm = warm
        self._calls = calls
        self._in_hot = in_hot = [layout for layout in layouts if layout.tier != "warm"]
        self._in_warm = [layout for layout in layouts if layout.tier == "warm"]
        self._hot_reader: ViewReader | None = hot.reader(in_hot) if in_hot else None
        self._warm_reader: ViewReader | None = warm.reader(self._in_warm) if self._in_warm else None
        self._second_readers: dict[str, ViewReader] = {
            _name(layout): warm.reader([layout]) for layout in layouts if layout.tier == "both"
        }

    def read(self, join_values: Mapping[str, Values], as_of_us: AsOf = None) -> Reading:
        """Read the newest rows of all views for n requests.

        The rows of a view whose tier did not answer in time are UNAVAILABLE. Of a view in both, the warm store is asked for the
        rows that the hot one does not have, or has too old; while the hot one does not answer, for all of them, and those that
        it has are marked STALE: the hot one may have newer ones.

        Args:
            join_values: Per join key, one value per request.
            as_of_us: The time of the requests, int64 microseconds UTC, one for all or shape (n,): see `ViewReader`.

        Raises:
            OnlineStoreUnavailable: The hot store is needed and does not answer, and the warm one has no answer either.
        """
        size = len(next(iter(join_values.values())))
        first = self._calls.start(self._warm_reader.read, join_values, as_of_us) if self._warm_reader else None
        found, away = self._read_hot(join_values, as_of_us, size)
        second = {}
        for name, reader in self._second_readers.items():
            rows = np.flatnonzero(found[name].row_status != Status.PRESENT)
            if len(rows):
                some = {key: _take(values, rows) for key, values in join_values.items()}
                when = as_of_us[rows] if isinstance(as_of_us, np.ndarray) and as_of_us.ndim else as_of_us
                second[name] = rows, self._calls.start(reader.read, some, when)
        by_name = {_name(layout): layout for layout in self._layouts}
        if first is not None:
            answer = first.answer()
            found |= answer.views if answer else {_name(one): unavailable_view(one, size) for one in self._in_warm}
        for name, (rows, call) in second.items():
            answer = call.answer()
            warm = answer.views[name] if answer else unavailable_view(by_name[name], len(rows))
            found[name] = fill_rows(found[name], rows, mark_stale(warm) if away else warm)
        if away is not None:
            if all((view.row_status == Status.UNAVAILABLE).all() for view in found.values()):
                raise away
            self._without_hot.add()
        return Reading({name: found[name] for name in by_name})

    def _read_hot(
        self, join_values: Mapping[str, Values], as_of_us: AsOf, size: int
    ) -> tuple[dict[str, ViewReading], OnlineStoreUnavailable | None]:
        """Read the views of the hot store; while it does not answer and the warm one may, they are UNAVAILABLE, with why."""
        if self._hot_reader is None:
            return {}, None
        try:
            return dict(self._hot_reader.read(join_values, as_of_us).views), None
        except OnlineStoreUnavailable as error:
            if self._warm_reader is None and not self._second_readers:
                raise
            return {_name(one): unavailable_view(one, size) for one in self._in_hot}, error


def _name(layout: ViewLayout) -> str:
    return layout.alias or layout.name


def _take(values: Values, rows: npt.NDArray[np.int64]) -> Values:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
