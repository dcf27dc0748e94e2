"""Numbers that are counted plainly say the same as NumPy, and add up over processes that live and die."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.metrics import families
from serving.metrics.counts import Counts, Spread, quantile
from serving.metrics.exposition import exposition
from serving.metrics.recent import STEP_S, Recent, merge_points
from serving.metrics.shared import Shared

BOUNDS = (0.5, 1.0, 2.0)
CHILD = """
import sys
from pathlib import Path
from serving.metrics import families
from serving.metrics.counts import Counts
from serving.metrics.shared import Shared
counts = Counts()
counts.add(families.REJECTED, by=5)
counts.add(families.REPLICAS)
counts.spread(families.DURATION, "POST", "/v1/score").add(0.004)
Shared(Path(sys.argv[1])).write(counts.dump())
"""


@given(st.lists(st.floats(0, 4), max_size=50))
def test_a_histogram_is_that_of_numpy_with_closed_upper_ends(values: list[float]) -> None:
    spread = Spread(BOUNDS)
    spread.add_all(values)
    edges = [-np.inf, *np.nextafter(BOUNDS, np.inf), np.inf]
    assert spread.counts == np.histogram(values, edges)[0].tolist()
    assert spread.total == pytest.approx(sum(values))


@pytest.mark.parametrize(
    ("counts", "q", "value"),
    [([0, 0, 0, 0], 0.5, None), ([2, 0, 0, 0], 0.5, 0.25), ([1, 1, 0, 0], 1.0, 1.0), ([0, 0, 0, 3], 0.5, 2.0)],
)
def test_a_quantile_lies_even_within_its_bucket_and_never_beyond_the_last(
    counts: list[int], q: float, value: float | None
) -> None:
    assert quantile(BOUNDS, counts, q) == value


def test_what_a_dead_process_counted_stays_and_its_gauges_go(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    mine = Counts()
    mine.add(families.REJECTED, by=2)
    mine.add(families.REPLICAS)
    shared = Shared(tmp_path)
    shared.write(mine.dump())
    for _ in range(2):  # folded or not
        total = shared.sum()
        assert total.numbers(families.REJECTED)[()] == 7
        assert total.numbers(families.REPLICAS)[()] == 1
        assert sum(total.spread(families.DURATION, "POST", "/v1/score").counts) == 1
        shared.fold()
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == sorted([f"{os.getpid()}.json", "dead.json"])


def test_a_process_that_says_it_ends_counts_as_dead_at_once(tmp_path: Path) -> None:
    counts, shared = Counts(), Shared(tmp_path)
    counts.add(families.REPLICAS)
    counts.add(families.REJECTED)
    shared.write(counts.dump())
    shared.forget()
    assert shared.sum().numbers(families.REPLICAS) == {}
    assert shared.sum().numbers(families.REJECTED) == {(): 1}


def test_a_gauge_of_time_is_that_of_who_knows_best(tmp_path: Path) -> None:
    total = Counts()
    for at in (100.0, 300.0, 200.0):
        counts = Counts()
        counts.numbers(families.COMPLETE)["clicks",] = at
        total.load(orjson.loads(orjson.dumps(counts.dump())))
    assert total.numbers(families.COMPLETE) == {("clicks",): 300.0}


def test_every_family_is_shown_though_nothing_was_counted() -> None:
    text = exposition(Counts()).decode()
    for family in families.FAMILIES.values():
        assert f"# TYPE {family.name} {family.kind}" in text


def test_steps_hold_what_was_counted_in_them_and_add_up_over_processes() -> None:
    counts, recent = Counts(), Recent()
    recent.note(100.0, counts)
    counts.add(families.REQUESTS, "POST", "/v1/score", "200", by=10)
    counts.add(families.REQUESTS, "POST", "/v1/score", "503", by=1)
    counts.add(families.REQUESTS, "GET", "/metrics", "200", by=7)
    counts.add(families.DECISIONS, "s", "approve", "champion", by=10)
    counts.spread(families.DURATION, "POST", "/v1/score").add(0.004)
    recent.note(100.0 + STEP_S, counts)
    counts.add(families.REQUESTS, "POST", "/v1/score", "200", by=3)
    recent.note(100.0 + 2 * STEP_S, counts)
    first, second = merge_points([list(recent.points), list(recent.points)])
    assert (first["at"], second["at"]) == (105, 110)
    assert (first["requests"], first["errors"], second["requests"]) == (22, 2, 6)
    assert (first["decisions"], second["decisions"]) == ({"approve": 20}, {"approve": 0})
    assert (sum(first["durations"]), sum(second["durations"])) == (2, 0)
