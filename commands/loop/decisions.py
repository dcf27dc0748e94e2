"""Makes scoring requests of the events that are moments of decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from commands.event_tables import Source
from commands.loop.events import event_times
from contract.service import EVENT_TIMESTAMP, Service


class NoDecisionError(ValueError):
    """A service whose moments of decision cannot be played."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The moments of decision of one service.

    Attributes:
        service: The service.
        source: The topic whose events they are.
    """

    service: Service
    source: Source

    def requests(self, events: pa.Table) -> list[tuple[int, dict[str, Any]]]:
        """Return the scoring requests of some events: (the time of the last event in it, microseconds, the body).

        For a ranking, the events of one list are one request of as many candidates; a list goes out with its last event.
        """
        at = event_times(events, self.source)
        rows = [_jsonable(row) for row in events.to_pylist()]
        for row in rows:
            row[EVENT_TIMESTAMP] = row[self.source.table.timestamp]
        if self.service.group is None:
            return list(zip(at.tolist(), rows, strict=True))
        lists: dict[Any, list[int]] = {}
        for position, row in enumerate(rows):
            lists.setdefault(row[self.service.group], []).append(position)
        return [
            (int(at[of[-1]]), {EVENT_TIMESTAMP: rows[of[0]][EVENT_TIMESTAMP], "candidates": [rows[i] for i in of]})
            for of in lists.values()
        ]

    def whole(self, events: pa.Table, most: int) -> int:
        """Return how many of the first `most` events to take so that no list is cut."""
        if self.service.group is None or most >= len(events):
            return min(most, len(events))
        groups = events[self.service.group].combine_chunks()
        codes = np.asarray(groups.dictionary_encode().indices)
        ends = np.flatnonzero(np.diff(codes) != 0) + 1
        fits = ends[ends <= most]
        return int(fits[-1]) if len(fits) else int(ends[0]) if len(ends) else len(events)


def decisions_of(service: Service, sources: dict[str, Source]) -> Decisions:
    """Return the moments of decision of a service.

    Raises:
        NoDecisionError: The service does not say which they are, or the topic lacks what a request needs.
    """
    topics = {name: source for name, source in sources.items() if source.table.topic}
    if service.decides_on is None or service.decides_on not in topics:
        given = f"millrace.decides_on is {service.decides_on!r}" if service.decides_on else "no moment of decision"
        raise NoDecisionError(
            f"{service.name}: {given}; tag the service with millrace.decides_on and the topic whose events are to be scored,"
            f" one of {', '.join(topics) or 'those that stream views read'}."
        )
    source = topics[service.decides_on]
    needed = {name for name, _ in service.keys} | {
        one.filled_by or one.name for one in service.request if (one.filled_by or one.name) != EVENT_TIMESTAMP
    }
    if service.group:
        needed.add(service.group)
    missing = sorted(needed - set(source.columns))
    if missing:
        raise NoDecisionError(
            f"{service.name}: a request needs {', '.join(missing)}, which topic {source.name} does not have; add the column to"
            " the topic, or fill the field from another with millrace.fill.<field>."
        )
    return Decisions(service, source)


def in_parts(events: pa.Table, decisions: Decisions, size: int) -> Iterator[pa.Table]:
    """Yield events a few at a time, in order, no list cut."""
    start = 0
    while start < len(events):
        rest = events.slice(start)
        count = decisions.whole(rest, size)
        yield rest.slice(0, count)
        start += count


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
