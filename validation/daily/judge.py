"""Judges each day by the days before it. Nothing here reads data: times and bounds are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from contract.checks import Severity, TableChecks
from contract.durations import format_duration
from validation.daily.statistics import DAY, ColumnDays, Days
from validation.gates.report import Finding, Row

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as usual.

    Attributes:
        weeks: Earlier days of the same weekday that a number of rows is held against, at most.
        days: Earlier days that a column is held against, at most.
        least_days: Earlier days without which nothing is said.
        least_values: Values of a day without which nothing is said of a column.
        median: How many times the usual median a day's may be, or the reverse.
        rate: The same of the share of 1 in a column of 0 and 1.
        nulls: How much larger than usual the share of nulls may be.
        repeated: The share of a day's rows that may be there twice.
    """

    weeks: int = 8
    days: int = 28
    least_days: int = 5
    least_values: int = 30
    median: float = 4.0
    rate: float = 2.0
    nulls: float = 0.2
    repeated: float = 0.2


def judge_days(days: Days, checks: TableChecks, until: int, bounds: Bounds | None = None) -> list[Finding]:
    """Return a finding for each kind of look at days, and for each column; none where the table's tags switch it off.

    Args:
        days: What is known of each day.
        checks: What the table's tags say.
        until: The end of what should be there, microseconds: the day that it falls into is not whole and not judged.
        bounds: What counts as usual.
    """
    if checks.daily is None:
        return []
    bounds = bounds or Bounds()
    judge = _Judge(days, checks.daily, until // DAY - days.first, bounds, checks.daily_severity)
    found = [judge.gaps(), judge.counts(), judge.repeats(), judge.doubles()]
    for name, column in days.columns.items():
        found.append(judge.constants(name, column))
        found.append(judge.nulls(name, column))
        if (column.smallest, column.largest) == (0.0, 1.0):
            found.append(judge.rates(name, column))
        elif np.isfinite(column.median).any():
            found.append(judge.medians(name, column))
    return found


def judge_freshness(newest: int | None, timestamp: str, checks: TableChecks, now: int) -> list[Finding]:
    """Return the finding about the newest row's age; none where the table's tags do not say how old it may be.

    Args:
        newest: Its time, microseconds; None where there is no row.
        timestamp: The column of the time.
        checks: What the table's tags say.
        now: Against what, microseconds; for events that become known later, that much earlier.
    """
    if not checks.fresh:
        return []
    old = None if newest is None else max(now - newest, 0)
    said = "no row" if old is None else f"{timedelta(microseconds=old // 1_000_000 * 1_000_000)} before {_moment(now)}"
    good = old is not None and old <= checks.fresh
    rule = f"max_age={format_duration(checks.fresh)}"
    return [
        Finding("expect_newest_row_to_be_recent", (timestamp,), rule, good, checks.fresh_severity, 1, observed=said)
    ]


class _Judge:
    """Holds days 0 to ``end`` (exclusive) against those before each."""

    def __init__(self, days: Days, daily: tuple[float, float], end: int, bounds: Bounds, severity: Severity) -> None:
        self._days, (self._low, self._high), self._bounds, self._severity = days, daily, bounds, severity
        self._end = max(end, 0)
        self._rows = np.zeros(self._end, np.int64)
        known = days.rows[: self._end]
        self._rows[: len(known)] = known
        self._usual = [self._usual_rows(day) for day in range(self._end)]

    def gaps(self) -> Finding:
        """Find days without rows where there should be many: of 10 expected ones hardly ever all stay away."""
        typical = float(np.median(self._rows[self._rows > 0])) if (self._rows > 0).any() else 0.0
        bad = [day for day in range(self._end) if not self._rows[day] and self._expected(day, typical) >= 10]
        return self._finding("expect_no_day_to_be_missing", (), "", [(day, {}) for day in bad], self._end)

    def counts(self) -> Finding:
        """Find days of far fewer or far more rows than their weekday usually has."""
        bad = []
        for day, usual in enumerate(self._usual):
            rows = int(self._rows[day])
            if rows and usual and not any(self._in_line(rows, one, power) for one, power in usual):
                bad.append((day, {"rows": rows, "usual": round(usual[0][0])}))
        rule = f"{self._low:g} to {self._high:g} times the usual"
        return self._finding("expect_day_row_count_to_be_usual", (), rule, bad, self._end)

    def repeats(self) -> Finding:
        """Find days that say the same as a day before, ids and date apart."""
        seen: dict[int, int] = {}
        bad = []
        for day, mark in enumerate(self._days.marks):
            if self._days.rows[day] >= self._bounds.least_values:
                first = seen.setdefault(mark, day)
                if first != day:
                    bad.append((day, {"rows": int(self._days.rows[day]), "same_as": self._name(first)}))
        return self._finding("expect_no_day_to_repeat_another", (), "", bad, len(self._days.rows))

    def doubles(self) -> Finding:
        """Find days whose rows are there twice under different ids."""
        most = self._bounds.repeated
        shares = self._days.repeated / np.maximum(self._days.rows, 1)
        enough = self._days.rows >= self._bounds.least_values
        usual = [
            float(np.median(shares[max(0, day - self._bounds.days) : day])) if day else 0.0
            for day in range(len(shares))
        ]
        bad = [
            (day, {"rows": int(self._days.rows[day]), "there_before": int(self._days.repeated[day])})
            for day in np.flatnonzero(enough & (shares > most)).tolist()
            if shares[day] > usual[day] + most
        ]
        return self._finding("expect_day_rows_not_to_come_twice", (), f"at most {most:.0%}", bad, len(shares))

    def constants(self, name: str, column: ColumnDays) -> Finding:
        """Find days on which a column has one value, where it hardly ever had before.

        A column of which nearly all values are one and the same may do so by chance; nothing is said of it.
        """
        bad = []
        for day in range(min(self._end, len(column.values))):
            before = self._before(day, column)
            if not column.constant[day] or not self._enough(day, column) or len(before) < self._bounds.least_days:
                continue
            usual = column.varies[before].mean() > 0.8 or self._both(column, day, before) >= self._bounds.least_values
            if usual and column.constant[before].mean() < 0.2:
                bad.append((day, {"values": int(column.values[day])}))
        return self._finding("expect_column_to_vary_each_day", (name,), "", bad, self._end)

    def nulls(self, name: str, column: ColumnDays) -> Finding:
        """Find days on which far more values are missing than usually."""
        share = 1 - column.values / np.maximum(self._days.rows, 1)
        bad = []
        for day in range(min(self._end, len(share))):
            before = [d for d in range(max(0, day - self._bounds.days), day) if self._days.rows[d]]
            if self._days.rows[day] < self._bounds.least_values or len(before) < self._bounds.least_days:
                continue
            usual = float(np.median(share[before]))
            if share[day] > usual + self._bounds.nulls:
                bad.append((day, {"missing": f"{share[day]:.0%}", "usual": f"{usual:.0%}"}))
        rule = f"at most {self._bounds.nulls:.0%} above the usual"
        return self._finding("expect_column_daily_nulls_to_be_usual", (name,), rule, bad, self._end)

    def medians(self, name: str, column: ColumnDays) -> Finding:
        """Find days whose median is a multiple of the usual one: another unit, most often."""
        most = self._bounds.median
        bad = []
        for day in range(min(self._end, len(column.values))):
            before = self._before(day, column)
            if self._enough(day, column) and len(before) >= self._bounds.least_days:
                usual, now = float(np.median(column.median[before])), float(column.median[day])
                if usual and (now / usual > most or now / usual < 1 / most):
                    bad.append((day, {"median": float(f"{now:.6g}"), "usual": float(f"{usual:.6g}")}))
        return self._finding(
            "expect_column_daily_median_to_be_usual", (name,), f"within {most:g} times", bad, self._end
        )

    def rates(self, name: str, column: ColumnDays) -> Finding:
        """Find days on which 1 is far rarer or more frequent than usually, and not by chance."""
        most = self._bounds.rate
        bad = []
        for day in range(min(self._end, len(column.values))):
            before = self._before(day, column)
            if self._enough(day, column) and len(before) >= self._bounds.least_days:
                usual, now = float(np.mean(column.mean[before])), float(column.mean[day])
                chance = 6 * np.sqrt(usual * (1 - usual) / column.values[day])
                if abs(now - usual) > chance and not usual / most <= now <= usual * most:
                    bad.append((day, {"rate": float(f"{now:.4g}"), "usual": float(f"{usual:.4g}")}))
        return self._finding("expect_column_daily_rate_to_be_usual", (name,), f"within {most:g} times", bad, self._end)

    def _usual_rows(self, day: int) -> list[tuple[float, int]]:
        """Return what a day's rows are held against, and the power of the bounds; to be in line with one of these is enough.

        That is the median of the same weekday before; while there are not three of these, also that of the last two weeks, both
        with wider bounds.
        """
        week = [int(self._rows[d]) for d in range(day - 7, -1, -7)][: self._bounds.weeks]
        week = [rows for rows in week if rows]
        if len(week) >= 3:
            return [(float(np.median(week)), 1)]
        near = [int(rows) for rows in self._rows[max(0, day - 14) : day] if rows]
        return [(float(np.median(some)), 2) for some in (week, near) if some] if week else []

    def _expected(self, day: int, typical: float) -> float:
        return self._usual[day][0][0] if self._usual[day] else typical

    def _in_line(self, rows: int, usual: float, power: int) -> bool:
        by_chance = abs(rows - usual) <= 6 * np.sqrt(usual)
        return by_chance or self._low**power * usual <= rows <= self._high**power * usual

    def _before(self, day: int, column: ColumnDays) -> list[int]:
        start = max(0, day - self._bounds.days)
        return [d for d in range(start, day) if column.values[d] >= self._bounds.least_values]

    def _enough(self, day: int, column: ColumnDays) -> bool:
        return bool(column.values[day] >= self._bounds.least_values)

    @staticmethod
    def _both(column: ColumnDays, day: int, before: Sequence[int]) -> float:
        """Return how many of the rarer value a day of a column of 0 and 1 should have; 0.0 for other columns."""
        if (column.smallest, column.largest) != (0.0, 1.0):
            return 0.0
        mean = float(np.mean(column.mean[list(before)]))
        return min(mean, 1 - mean) * int(column.values[day])

    def _name(self, day: int) -> str:
        return str(date(1970, 1, 1) + timedelta(days=self._days.first + day))

    def _finding(
        self,
        expectation: str,
        columns: tuple[str, ...],
        rule: str,
        bad: Sequence[tuple[int, dict[str, Any]]],
        looked: int,
    ) -> Finding:
        rows: list[Row] = [{"day": self._name(day), **said} for day, said in bad[:SHOWN]]
        return Finding(expectation, columns, rule, not bad, self._severity, looked, len(bad), tuple(rows), of="days")


def _moment(t: int) -> str:
    return str(np.datetime64(t // 1_000_000, "s")).replace("T", " ")
