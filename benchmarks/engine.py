"""The live state alone: what one core does with the shipped stream views, without a broker and a store.

`python -m benchmarks.engine [--repo feature_repo] [--events 200000]`. Events of 5,000 customers on 10,000 terminals, some 9,600
a day as in the Fraud Detection Handbook, go in batches of 10,000 through the state of every stream view. Then a single
customer with ten thousand, two hundred thousand and a million events in the longest window: what a batch of 100 costs.
Medians of the batches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.plan import ViewPlan
from pipelines.plan_view import plan_views
from pipelines.stream.view_state import ViewState
from workspace.workspace import Workspace, read_declarations

DAY = 86_400_000_000
BATCH = 10_000
START = 1_767_225_600_000_000  # 2026-01-01


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, default=Path("feature_repo"))
    parser.add_argument("--events", type=int, default=200_000)
    given = parser.parse_args()
    declared = read_declarations(Workspace.from_env({"REPO": str(given.repo)}))
    plans = [plan for plan in plan_views(declared) if plan.kind == "stream"]
    rates = {plan.view: events_per_second(plan, given.events) for plan in plans}
    for view, rate in rates.items():
        print(f"  {view:20} {rate:>10,.0f} events/s")
    together = 1 / sum(1 / rate for rate in rates.values())
    print(f"  {'all of them':20} {together:>10,.0f} events/s")
    velocity = plans[[plan.view for plan in plans].index("customer_velocity")]
    for reach in (10_000, 200_000, 1_000_000):
        print(
            f"  a batch of 100 on one customer with {reach:>9,} events in reach: {dense_batch(velocity, reach):6.2f} ms"
        )


def events_per_second(plan: ViewPlan, count: int) -> float:
    """Return the median over batches, the first ones left out."""
    random = np.random.default_rng(7)
    events = table(plan, random.integers(0, 5_000, count), START + np.arange(count) * (DAY // 9_600), random)
    return BATCH / statistics.median(seconds(plan, events, BATCH)[2:])


def dense_batch(plan: ViewPlan, reach: int) -> float:
    """Return the milliseconds of a batch of 100 events on a key with so many events in the longest window."""
    random = np.random.default_rng(7)
    count = reach + 5_000
    longest = max(feature.window.size for feature in plan.features)
    events = table(plan, np.zeros(count, np.int64), START + np.arange(count) * longest // reach, random)
    state = ViewState(plan)
    advance(state, plan, events.slice(0, reach))
    return 1000 * statistics.median(seconds(plan, events.slice(reach), 100, state)[5:])


def seconds(plan: ViewPlan, events: pa.Table, size: int, state: ViewState | None = None) -> Sequence[float]:
    """Return what each batch took."""
    state = state or ViewState(plan)
    took = []
    for start in range(0, len(events), size):
        began = time.perf_counter()
        advance(state, plan, events.slice(start, size))
        took.append(time.perf_counter() - began)
    return took


def advance(state: ViewState, plan: ViewPlan, batch: pa.Table) -> None:
    """Move a state by a batch, as a stream does."""
    newest = int(batch[plan.table.timestamp][-1].value)
    state.advance(batch, newest + plan.table.known_after + 1, newest - plan.table.lateness)


def table(plan: ViewPlan, customers: np.ndarray, ts: np.ndarray, random: np.random.Generator) -> pa.Table:
    """Return events of the topic's columns."""
    columns = {
        "transaction_id": pa.array(np.arange(len(ts))),
        "event_timestamp": pa.array(ts, pa.timestamp("us", "UTC")),
        "customer_id": pa.array(customers),
        "terminal_id": pa.array(random.integers(0, 10_000, len(ts))),
        "amount": pa.array(np.round(random.gamma(2.0, 30.0, len(ts)), 2)),
        "is_fraud": pa.array((random.random(len(ts)) < 0.01).astype(np.int64)),
    }
    schema = plan.table.schema()
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


if __name__ == "__main__":
    main()
