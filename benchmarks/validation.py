"""Plants faults into simulated events of many worlds, and says which check finds each; and how often good days are accused.

    python -m benchmarks.validation --worlds 20 --days 60

Days are looked at as the gates look at them (`validation/daily`, `validation/leakage`), by DuckDB. A fault is planted five days
before the end. A good day is accused when any finding about its table names it. With `--file` the derived suite and the look
at days are timed as well, each in a process of its own: in frames of Great Expectations, by DuckDB, and by Spark.

    python -m benchmarks.validation --file transactions.parquet
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa

from benchmarks.planting import DAY, FAULTS, ID, TIME, day_numbers
from commands.table import show_table
from contract.checks import ColumnCheck, TableChecks
from validation.daily.judge import judge_days, judge_freshness
from validation.daily.statistics import read_days
from validation.gates.engine import open_duckdb
from validation.gates.gate import check
from validation.gates.report import Finding
from validation.gates.suites import EventSpec, suite_for_events
from validation.gates.whole import check_whole
from validation.leakage.checks import Labelled, LeakBounds, find_leaks, find_repeats

sys.path.append(str(Path(__file__).parents[1] / "feature_repo"))
from simulator.generator import World, generate

KEYS = ("customer_id", "terminal_id")
CHECKS = TableChecks(fresh=DAY)
AGO = 5


def look(events: pa.Table, until: int) -> list[Finding]:
    """Return what the gate in front of the lake says of days, and of ids."""
    with open_duckdb(events) as engine:
        days = read_days(engine, TIME, ID, KEYS)
        ids = check_whole(engine, suite_for_events(_spec(dict.fromkeys((TIME, ID, *KEYS), ""))))
    if days is None:
        raise ValueError("no event has a time; give events.")
    found = [*judge_freshness(days.newest, TIME, CHECKS, until), *judge_days(days, CHECKS, until), *ids.findings]
    return [one for one in found if not one.success]


def plant_all(worlds: int, days: int) -> None:
    """Show by which check each fault is found, and how many of the good days are accused."""
    found: Counter[str] = Counter()
    others: dict[str, Counter[str]] = {fault.name: Counter() for fault in FAULTS}
    accused, good, alarms = 0, 0, []
    for seed in range(worlds):
        world = World(customers=120, terminals=200, days=days, seed=seed)
        events = generate(world)
        until = int(world.end.timestamp()) * 1_000_000
        clean = look(events, until)
        alarms += [one.describe() for one in clean]
        accused += len({str(row.get("day")) for one in clean for row in one.rows})
        good += days
        day = int(day_numbers(events)[-1]) - AGO + 1
        for fault in FAULTS:
            told = {one.expectation for one in look(fault.plant(events, day), until)}
            found[fault.name] += fault.found_by in told
            others[fault.name].update(told - {fault.found_by})
    rows = []
    for fault in FAULTS:
        beside = ", ".join(f"{name.removeprefix('expect_')} {n}" for name, n in others[fault.name].most_common(2))
        rows.append((fault.name, fault.found_by.removeprefix("expect_"), f"{found[fault.name]} of {worlds}", beside))
    show_table(("fault", "check", "found", "told as well"), rows)
    print(f"\ngood days accused: {accused} of {good:,} ({worlds} worlds of {days} days)")
    for line in alarms[:5]:
        print(f"  {line}")


def plant_leaks(rows: int) -> None:
    """Show what is said of a training set into which leaks are planted, and what the look at it costs."""
    random = np.random.default_rng(7)
    features = tuple(f"view__f{number}" for number in range(60))
    label = (random.random(rows) < 0.01).astype("int64")
    columns: dict[str, Any] = {name: random.gamma(2.0, 50.0, rows).round(2) + label * 20 for name in features}
    at = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC", unit="us")
    frame = pd.DataFrame({"id": np.arange(rows), "at": at, "key": random.integers(0, 5000, rows), "y": label} | columns)
    given = Labelled("y", "binary", features, ("key",), "id", "at")
    half = rows // 2

    def said(made: pd.DataFrame) -> str:
        parts = [*find_leaks(made, given, LeakBounds()), *find_repeats(made[:half], made[half:], given, LeakBounds())]
        return ", ".join(one.expectation.removeprefix("expect_") for one in parts if not one.success) or "nothing"

    later = frame.assign(view__f3=at.astype("int64") + random.integers(-(10**9), 10**6, rows))
    known = np.where(label == 1, frame["view__f3"], np.nan)
    again = pd.concat([frame[:half], frame[:half].assign(id=np.arange(rows, rows + half))], ignore_index=True)
    show_table(
        ("training set", "told"),
        [
            ("honest", said(frame)),
            ("a feature is the label and noise", said(frame.assign(view__f3=label + random.normal(0, 0.1, rows)))),
            ("a feature has a value for positives only", said(frame.assign(view__f3=known))),
            ("a feature is the time of a later event", said(later)),
            ("trained rows are tested under new ids", said(again)),
            ("a trained event is tested", said(frame.assign(id=np.minimum(frame["id"], rows - 2) % (rows - 2)))),
        ],
    )
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        said(frame)
        spent.append(time.perf_counter() - began)
    print(f"\nboth looks at {rows:,} rows of {len(features)} features: {np.median(spent):.2f} s (median of 5)")


def measure_file(file: Path) -> None:
    """Show time and memory of the suite and the look at days, each in a process of its own."""
    rows = []
    for engine in ("frames", "duckdb", "spark"):
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.validation", "--file", str(file), "--engine", engine],
            capture_output=True,
            text=True,
            check=True,
        )
        seen = json.loads(told.stdout.splitlines()[-1])
        rows.append((engine, *(f"{seen[name]:.1f}" for name in ("suite", "days", "python", "java")), seen["told"]))
    show_table(("engine", "suite, s", "days, s", "Python, MB", "Java, MB", "told"), rows)


def measure_here(file: Path, engine: str) -> None:
    """Print as JSON what one engine needed; its start is not counted, the second of two passes is."""
    with _opened(file, engine) as (opened, checked):
        columns = dict.fromkeys((TIME, ID, *KEYS, "amount", "is_fraud"), "")
        suite = suite_for_events(_spec(columns))
        for _ in range(2):
            began = time.perf_counter()
            report = checked(suite)
            middle = time.perf_counter()
            with opened() as there:
                days = read_days(there, TIME, ID, KEYS)
            found = [*report.findings, *(judge_days(days, CHECKS, days.newest) if days else ())]
            told = [
                f"{one.expectation.removeprefix('expect_')}({', '.join(one.columns)})"
                for one in found
                if not one.success
            ]
            ended = time.perf_counter()
        own = psutil.Process()
        java = max(
            (child.memory_info().rss for child in own.children(recursive=True) if "java" in child.name()), default=0
        )
        print(
            json.dumps(
                {
                    "suite": middle - began,
                    "days": ended - middle,
                    "python": _peak_mb(),
                    "java": java / 1e6,
                    "told": ", ".join(told) or "nothing",
                }
            )
        )


@contextmanager
def _opened(file: Path, engine: str) -> Iterator[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    def opened_here() -> Any:
        return open_duckdb(file)

    def by(opened: Callable[[], Any]) -> Callable[[Any], Any]:
        def checked(suite: Any) -> Any:
            with opened() as there:
                return check_whole(there, suite)

        return checked

    if engine == "frames":
        yield opened_here, lambda suite: check(file, suite)
    elif engine == "duckdb":
        yield opened_here, by(opened_here)
    else:
        from validation.spark.engine import open_spark_frame
        from workspace.spark_session import open_spark

        spark = open_spark("validation")

        def opened_there() -> Any:
            return open_spark_frame(spark.read.parquet(str(file)))

        yield opened_there, by(opened_there)
        spark.stop()


def _spec(columns: dict[str, str]) -> EventSpec:
    checks = {"amount": ColumnCheck(0, 100_000, (), True)} if "amount" in columns else {}
    return EventSpec("transactions", columns, KEYS, TIME, ID, checks)


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Plant faults, or time a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--engine", choices=("frames", "duckdb", "spark"))
    given = parser.parse_args()
    if given.file and given.engine:
        measure_here(given.file, given.engine)
    elif given.file:
        measure_file(given.file)
    else:
        plant_all(given.worlds, given.days)
        print()
        plant_leaks(given.rows)


if __name__ == "__main__":
    main()
