"""All functions at once, live, over longer histories than other tests draw: against the reference at many instants.

Events come late and twice, in batches of any size, with ids of text that grow longer; the state is saved and restored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.semantics import reference
from pipelines.semantics.panes.live import LiveView
from pipelines.semantics.reference import Event

MINUTE = 60_000_000
KINDS = {"money": pa.float64(), "whole": pa.int64(), "word": pa.string(), "flag": pa.bool_()}
FUNCTIONS = [
    ("variance", "money"),
    ("any", "flag"),
    ("all", "flag"),
    ("count_by('word 3')", "word"),
    ("first_n(4)", "word"),
    ("session_first_n(1min, 3)", "money"),
    ("last_n(5, word, flag)", "money"),
    ("last_n(5, money, flag)", "word"),
    ("top_k(3)", "word"),
    ("top_k(2)", "whole"),
    ("approx_count_distinct", "word"),
    ("approx_count_distinct", "money"),
    ("approx_quantile(0.5)", "money"),
    ("matches(flag then 2 flag=false new(word) within 40s)", None),
    ("matches(3 whole=-3 within 30s then word='' within 1min)", None),
    ("decayed_sum(20s)", "money"),
    ("decayed_sum(5min)", "whole"),
    ("decayed_count(10s)", None),
    ("decayed_count(1min)", "word"),
    ("approx_quantile(0.99)", "whole"),
]


def drawn(random: np.random.Generator, count: int) -> list[Event]:
    """Events of half an hour, a few at one instant; values that are often the same, and many nulls."""
    events = []
    for number in range(count):
        values = {
            "money": random.choice([None, float("nan"), round(float(random.lognormal(2, 3)), 2), -1.5, 0.0]),
            "whole": random.choice([None, int(random.zipf(1.5)) % 1000, -3]),
            "word": random.choice([None, f"word {random.zipf(1.5) % 50}", ""]),
            "flag": random.choice([None, True, False]),
        }
        ts = int(random.integers(0, 30 * 60 * 20)) * 50_000
        events.append(Event(ts, "x" * int(random.integers(0, 1 + number // 12)) + str(number), values))
    return events


@pytest.mark.parametrize("delay", [0, 2 * MINUTE])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_the_reference_however_events_come(lab: Any, seed: int, delay: int) -> None:
    random = np.random.default_rng(seed)
    features = [
        lab.feature(function, column, size * MINUTE, slide * MINUTE, delay)
        for size, slide in ((6, 1), (10, 5))
        for function, column in FUNCTIONS
    ]
    events = drawn(random, 300)
    comes = [int((event.ts + delay) // MINUTE + 1 + random.integers(0, 3)) for event in events]
    live = LiveView(features, KINDS)
    row: tuple[Any, ...] | None = None
    for minute in range(1, 46):
        came = [event for event, at in zip(events, comes, strict=True) if at <= minute]
        again = [event for event in came if event.ts + delay >= (minute - 4) * MINUTE and random.random() < 0.3]
        batch = [*(event for event, at in zip(events, comes, strict=True) if at == minute), *again]
        random.shuffle(batch)
        for number, part in enumerate(np.array_split(np.array(batch, object), 3)):
            since = (minute if number else minute - 1) * MINUTE
            row = take(live, list(part), since, minute * MINUTE, (minute - 5) * MINUTE - delay) or row
        if minute % 10 == 0:
            live = restored(live)
        wanted = tuple(reference.value_at(feature, reference.distinct(came), minute * MINUTE) for feature in features)
        if row is None:
            assert not any(event.ts + delay < minute * MINUTE for event in came)
            continue
        assert lab.same(row, wanted), [
            (f.name, here, there) for f, here, there in zip(features, row, wanted, strict=True) if here != there
        ]


def take(live: LiveView, events: list[Event], since: int, until: int, settled: int) -> tuple[Any, ...] | None:
    """Let one entity's events in; return its row if it changed."""
    rows, _, _ = live.take(
        np.zeros(len(events), np.int64),
        np.array([event.ts for event in events], np.int64),
        pa.array([event.id for event in events], pa.string()),
        {name: pa.array([event.values[name] for event in events], kind) for name, kind in KINDS.items()},
        np.zeros(1, np.int64),
        entities=1,
        since=since,
        until=until,
        settled=settled,
    )
    return tuple(column[-1].as_py() for column in rows.values) if len(rows) else None


def restored(live: LiveView) -> LiveView:
    """The same after a restart."""
    again = LiveView(live.features, KINDS)
    texts = {name: words.texts for name, words in live.words.items()}
    again.restore(live.memory.words, live.seen.table.ravel(), texts)
    return again
