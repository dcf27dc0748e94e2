"""The metrics of one replica: plain numbers on the hot path, moved to the shared folder once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contract.model_aliases import CHAMPION
from serving.metrics import families
from serving.metrics.counts import Counts, Spread
from serving.metrics.recent import Recent
from serving.metrics.shared import Shared
from serving.scoring.features import FeatureBatch
from serving.scoring.scorer import Scored

EVERY_S: Final = 1.0

LOOK_S: Final = 0.05
"""How often, at most, a batch's feature ages are looked at, seconds: a sample tells as much, and costs less."""

Source = Callable[[Counts], None]
"""Sets numbers that somebody else keeps, such as a cache."""

_log = logging.getLogger(__name__)


class ReplicaMetrics:
    """Counts what one replica does.

    Args:
        folder: Where the replicas of this machine put their numbers.
    """

    def __init__(self, folder: Path) -> None:
        self.shared = Shared(folder)
        self._counts = Counts()
        self._counts.add(families.REPLICAS)
        self._requests = self._counts.numbers(families.REQUESTS)
        self._durations: dict[tuple[str, str], Spread] = {}
        self._services: dict[str, _Service] = {}
        self._recent = Recent()
        self._sources: list[Source] = []
        self._ended = threading.Event()
        self._writing = threading.Lock()

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the pattern that its path fits."""
        key = (method, route, str(status))
        requests = self._requests
        requests[key] = requests.get(key, 0) + 1
        spread = self._durations.get(key[:2])
        if spread is None:
            spread = self._durations[key[:2]] = self._counts.spread(families.DURATION, method, route)
        spread.add(seconds)

    def batch(self, service: str, scored: Scored) -> None:
        """Count rows that were scored together."""
        of = self._services.get(service)
        if of is None:
            of = self._services[service] = _Service(service, self._counts)
        of.count(scored)

    def add_source(self, source: Source) -> None:
        """Let somebody set numbers each time before they are shown."""
        self._sources.append(source)

    def refresh(self) -> None:
        """Bring this replica's file up to date."""
        with self._writing:
            for source in self._sources:
                source(self._counts)
            self._recent.note(time.time(), self._counts)
            self.shared.write({**self._counts.dump(), "recent": list(self._recent.points)})

    def start(self) -> None:
        """Begin to write, from a thread of its own, until `stop`."""
        self.shared.fold()
        self.refresh()
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Write a last time; what was counted stays, gauges go."""
        self._ended.set()
        self.refresh()
        self.shared.forget()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                self.refresh()
            except Exception:  # a full disk, say: scoring goes on, and so does this
                _log.exception("metrics could not be written")


class _Service:
    """Counts the batches of one service."""

    def __init__(self, name: str, counts: Counts) -> None:
        self._name = name
        self._rows = counts.spread(families.BATCH_ROWS, name)
        self._scores = counts.spread(families.SCORES, name)
        self._decisions = counts.numbers(families.DECISIONS)
        self._stages = counts.numbers(families.STAGES)
        self._counts = counts
        self._next_look = 0.0

    def count(self, scored: Scored) -> None:
        rows, features, decisions = len(scored.scores), scored.features, self._decisions
        self._rows.add(rows)
        self._scores.add_all(scored.scores)
        for stage, began, ended in scored.stages():
            self._stages[self._name, stage] = self._stages.get((self._name, stage), 0) + (ended - began) / 1e9
        names = [""] * rows if scored.decisions is None else scored.decisions.names
        if scored.arms is None:
            given = [((self._name, name, CHAMPION), count) for name, count in Counter(names).items()]
        else:
            aliases = list(scored.setup.arms.models)
            found = Counter(zip(names, scored.arms, strict=True))
            given = [((self._name, name, aliases[arm]), count) for (name, arm), count in found.items()]
        for key, count in given:
            decisions[key] = decisions.get(key, 0) + count
        if features.degraded is not None:
            self._counts.add(families.DEGRADED, self._name, by=int(features.degraded.sum()))
        for reason, missing in features.missing.items():
            self._counts.add(families.MISSING, self._name, reason, by=int(missing.sum()))
        for view, is_stale in features.stale.items():
            self._counts.add(families.STALE, self._name, view, by=int(is_stale.sum()))
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            self._count_ages(features)

    def _count_ages(self, features: FeatureBatch) -> None:
        for view, reading in features.views.items():
            there = reading.event_timestamp_us > 0
            ages = (features.event_timestamp_us - reading.event_timestamp_us)[there] / 1e6
            self._counts.spread(families.AGE, view).add_all(ages)
