"""The events of a run by time: what is history, what is streamed, what is live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from commands.event_tables import Source
from commands.loop.events import Events, EventsError, Simulation, event_times
from pipelines.batch.lake import DAY, day_of
from workspace.addresses import inside, whole_file


@dataclass(frozen=True, slots=True)
class History:
    """The events of a run.

    Attributes:
        sources: The event tables by name; only those that have events.
        events: Their events, by (time, id).
        cut: Midnight, microseconds: what is known before it is history; from it on events are streamed.
        live: Midnight, microseconds: from it on decisions are made before their events are streamed.
        simulation: What goes on after the last day; None when the events came from a file.
    """

    sources: Mapping[str, Source]
    events: Mapping[str, pa.Table]
    cut: int
    live: int
    simulation: Simulation | None = None

    @property
    def start(self) -> int:
        """Return the midnight, microseconds, before the first event."""
        return _first_day(self.sources, self.events)

    @property
    def days(self) -> int:
        """Return how many days there are, the live one included."""
        return (self.live - self.start) // DAY + 1

    def known_between(self, name: str, start: int, stop: int) -> pa.Table:
        """Return the events of a table that become known at `start <= t < stop`, microseconds."""
        source = self.sources[name]
        delay = source.table.known_after
        lo, hi = np.searchsorted(event_times(self.events[name], source), (start - delay, stop - delay))
        return self.events[name].slice(lo, hi - lo)

    def land(self) -> None:
        """Write what is known before the cut into the lake, each day as one file."""
        for name, source in self.sources.items():
            land_days(self.known_between(name, -(2**62), self.cut), source)

    def live_days(self) -> Iterator[Events]:
        """Yield live events a day at a time: the last day of the history, then what the simulation goes on with."""
        last = {}
        for name, source in self.sources.items():
            at = event_times(self.events[name], source)
            last[name] = self.events[name].slice(int(np.searchsorted(at, self.live)))
        yield last
        if self.simulation is not None:
            for day in self.simulation.after():
                yield {name: day[name] for name in self.sources}

    def with_day(self, day: Events) -> History:
        """Return the history with another day's events, so that what becomes known of them later is known."""
        more = {name: pa.concat_tables([self.events[name], day[name]]).combine_chunks() for name in self.sources}
        return replace(self, events=more)


def build_history(
    sources: Sequence[Source], events: Events, stream_days: int, least_days: int, simulation: Simulation | None = None
) -> History:
    """Divide events into history, `stream_days` to stream, and the last day for live traffic.

    Args:
        sources: All event tables.
        events: Events by table; tables without any are left out.
        stream_days: Days to stream.
        least_days: Days of history that there must be at least.
        simulation: What goes on after them.

    Raises:
        EventsError: They span too few days.
    """
    having = {source.name: source for source in sources if source.name in events}
    last = max(int(event_times(events[name], source)[-1]) for name, source in having.items())
    live = last - last % DAY
    cut = live - stream_days * DAY
    start = _first_day(having, events)
    if cut - start < least_days * DAY:
        raise EventsError(
            f"the events span {(live - start) // DAY + 1} days; give at least {least_days + stream_days + 1}: {least_days} of"
            f" history, {stream_days} to stream (STREAM_DAYS=) and one for live traffic."
        )
    return History(having, {name: events[name] for name in having}, cut, live, simulation)


def land_days(events: pa.Table, source: Source) -> int:
    """Write events into their table's lake, one file a UTC day that replaces what a run wrote before; return the days."""
    day = event_times(events, source) // DAY
    found, first = np.unique(day, return_index=True)
    edges = [*first.tolist(), len(day)]
    for position, number in enumerate(found.tolist()):
        part = events.slice(edges[position], edges[position + 1] - edges[position])
        with whole_file(inside(source.table.lake, f"date={day_of(number * DAY)}", "part-0.parquet")) as file:
            pq.write_table(part, file, compression="zstd")
    return len(found)


def _first_day(sources: Mapping[str, Source], events: Events) -> int:
    first = min(int(event_times(events[name], source)[0]) for name, source in sources.items())
    return first - first % DAY
