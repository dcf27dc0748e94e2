"""How often a day without drift alarms, and how often drift is found, by its size: `python -m benchmarks.drift_rates`.

Simulated days of 20 columns (normal, long-tailed, whole and binary numbers, some with missing values). Each day all values of a column
are a little larger or smaller, weekdays differ. With `--events`, a Parquet file with `event_timestamp`, `amount`, `customer_id` and
`terminal_id`, also the days of it: two weeks are the reference, the three weeks after them are looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from commands.table import show_table
from contract.reference import ColumnReference, RowDays, column_reference
from validation.drift.bounds import TESTS, Noise, bounded_measures, noise_of

ALPHA, COLUMNS = 0.01, 20
QUIET = (
    ("days alike", 0.0, 0.0, 14, 1000),
    ("days differ by 0.05 of the spread, weekdays by 0.1", 0.05, 0.1, 14, 1000),
    ("the same, 10,000 rows a day", 0.05, 0.1, 14, 10_000),
    ("days differ by 0.1", 0.1, 0.0, 14, 1000),
    ("days differ by 0.1", 0.1, 0.0, 7, 1000),
    ("days differ by 0.1", 0.1, 0.0, 28, 1000),
)
WORLDS, SERVED_DAYS = 100, 10  # days of one world share a reference, so alarms come in clusters

Values = npt.NDArray[np.float64]
PLANTED: dict[str, Callable[[Values, np.random.Generator], Values]] = {
    **{
        f"shift by {size:g} of the spread": lambda z, _, size=size: np.exp(z + size)
        for size in (0.1, 0.2, 0.3, 0.5, 1.0)
    },
    **{
        f"{share:.0%} more missing": lambda z, random, share=share: np.where(
            random.random(len(z)) < share, np.nan, np.exp(z)
        )
        for share in (0.02, 0.05, 0.1)
    },
    "times 100 (cents for euros)": lambda z, _: 100 * np.exp(z),
    "constant": lambda z, _: np.ones(len(z)),
}
POWER_ROWS = (300, 1000, 10_000)


def draw_day(random: np.random.Generator, kind: int, day: int, own: float, weekdays: float, rows: int) -> Values:
    """Draw a day of a column."""
    z = random.normal(random.normal(0, own) + weekdays * np.sin(2 * np.pi * day / 7), 1, rows)
    if kind % 4 == 0:
        return z
    if kind % 4 == 1:
        return np.where(random.random(rows) < 0.05, np.nan, np.exp(1.5 * z))
    return np.floor(np.exp(z)) if kind % 4 == 2 else (z > 1.2).astype(float)


def refer(days: list[Values]) -> tuple[ColumnReference, Noise]:
    """Return the reference of days; the first half, at least seven, is trained on."""
    numbers = np.repeat(np.arange(len(days)), [len(day) for day in days])
    column = column_reference(
        "one", np.concatenate(days), RowDays.of(numbers.astype("datetime64[D]"), numbers >= max(7, len(days) // 2))
    )
    return column, noise_of(column.array(), column.trained)


def is_alarm(column: ColumnReference, noise: Noise, values: Values, columns: int) -> bool:
    """Say whether a day alarms, one of so many columns."""
    found = bounded_measures(noise, column.count(values), ALPHA / (TESTS * columns))
    return any(one.is_alert for one in found.values())


def quiet_rate(own: float, weekdays: float, days: int, rows: int) -> tuple[int, int]:
    """Return how many simulated days without drift alarm, and how many there were."""
    random = np.random.default_rng(11)
    alarms = np.zeros((WORLDS, SERVED_DAYS), bool)
    for world in range(WORLDS):
        for kind in range(COLUMNS):
            column, noise = refer([draw_day(random, kind, day, own, weekdays, rows) for day in range(days)])
            for at in range(SERVED_DAYS):
                values = draw_day(random, kind, days + at, own, weekdays, rows)
                alarms[world, at] |= is_alarm(column, noise, values, COLUMNS)
    return int(alarms.sum()), alarms.size


def power(fault: str, rows: int, own: float, weekdays: float) -> float:
    """Return the share of days with a planted fault that alarm, of a long-tailed column."""
    random = np.random.default_rng(12)
    found = []
    for _ in range(10):
        logs = [
            random.normal(random.normal(0, own) + weekdays * np.sin(2 * np.pi * day / 7), 1, rows) for day in range(24)
        ]
        column, noise = refer([np.exp(one) for one in logs[:14]])
        found += [is_alarm(column, noise, PLANTED[fault](one, random), COLUMNS) for one in logs[14:]]
    return float(np.mean(found))


def file_columns(path: str) -> pd.DataFrame:
    """Return what a small model might read of each event, and its day."""
    events = pd.read_parquet(path, columns=["event_timestamp", "customer_id", "terminal_id", "amount"])
    at = events["event_timestamp"]
    by_customer = events.groupby("customer_id")["event_timestamp"]
    return pd.DataFrame(
        {
            "day": at.dt.strftime("%Y-%m-%d"),
            "amount": events["amount"],
            "hour": at.dt.hour,
            "seconds_since_last": by_customer.diff().dt.total_seconds(),
            "nth_of_the_day": events.groupby(["customer_id", at.dt.floor("D")]).cumcount(),
            "seconds_since_terminal": events.groupby("terminal_id")["event_timestamp"].diff().dt.total_seconds(),
        }
    )


def file_rate(path: str) -> list[tuple[str, str, str, str]]:
    """Return, by column and for all together, how many days of a file alarm."""
    frame = file_columns(path)
    names = [name for name in frame if name != "day"]
    by_day = {day: of for day, of in frame.groupby("day")}
    days = sorted(by_day)
    alarms: dict[str, list[bool]] = {name: [] for name in names}
    for start in range(28, len(days) - 35, 14):  # in the first weeks, hardly anybody has been seen before
        for name in names:
            column, noise = refer([by_day[day][name].to_numpy(float) for day in days[start : start + 14]])
            for day in days[start + 14 : start + 35]:
                alarms[name].append(is_alarm(column, noise, by_day[day][name].to_numpy(float), len(names)))
    whole = np.logical_or.reduce([alarms[name] for name in names])
    rows = [
        (f"days of the file, {name}", "14", f"{sum(found)}", f"{np.mean(found):.2%}") for name, found in alarms.items()
    ]
    return [
        *rows,
        (
            f"days of the file, any of {len(names)} columns ({len(whole)} days)",
            "14",
            f"{whole.sum()}",
            f"{whole.mean():.2%}",
        ),
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", help="a Parquet file of events, for rates on its days")
    asked = parser.parse_args()
    rows = []
    for name, own, weekdays, days, size in QUIET:
        alarms, of = quiet_rate(own, weekdays, days, size)
        rows.append((f"{name} ({of} days of {COLUMNS} columns)", f"{days}", f"{alarms}", f"{alarms / of:.2%}"))
    if asked.events:
        rows += file_rate(asked.events)
    show_table(("without drift", "days of reference", "days that alarm", "share"), rows)
    print()
    for name, own, weekdays in (("days alike", 0.0, 0.0), ("days differ by 0.05, weekdays by 0.1", 0.05, 0.1)):
        shares = [(fault, *(f"{power(fault, size, own, weekdays):.0%}" for size in POWER_ROWS)) for fault in PLANTED]
        show_table((f"planted where {name}", *(f"{size:,} rows a day" for size in POWER_ROWS)), shares)
        print()


if __name__ == "__main__":
    main()
