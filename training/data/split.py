"""Divides time into a training span, a gap in which labels become known, and a test span.

```text
train_from        train_to            test_from         test_to
    |---- train -----|  gap >= known_after  |----- test -----|      each span is [from, to), whole UTC days
```

A model trained at `test_from` can only have seen labels that were known then, so the gap is never shorter than the
time a label takes to become known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from training.errors import TrainingError

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TemporalSplit:
    """Four midnights in UTC; `train_to` and `test_to` are exclusive.

    Raises:
        TrainingError: An instant is not a UTC midnight, a span is empty, or the test span starts inside the training span.
    """

    train_from: datetime
    train_to: datetime
    test_from: datetime
    test_to: datetime

    def __post_init__(self) -> None:
        for name in self.__slots__:
            at: datetime = getattr(self, name)
            if at.utcoffset() != timedelta(0) or at != _midnight(at):
                raise TrainingError(f"split: {name} is {at.isoformat()}; use a midnight in UTC such as 2018-07-25.")
        for span, start, end in (
            ("train", self.train_from, self.train_to),
            ("test", self.test_from, self.test_to),
        ):
            if end <= start:
                raise TrainingError(
                    f"split: {span} {start:%F}:{end:%F} holds no day; the end is exclusive, so write at least "
                    f"{start:%F}:{start + DAY:%F}."
                )
        if self.test_from < self.train_to:
            raise TrainingError(
                f"split: test starts {self.test_from:%F}, inside train, which ends {self.train_to:%F}; "
                f"start the test at {self.train_to:%F} or later."
            )

    @classmethod
    def parse(cls, train: str, test: str) -> Self:
        """Read two spans such as `2018-07-25:2018-08-01`; the second date is exclusive.

        >>> TemporalSplit.parse("2018-07-25:2018-08-01", "2018-08-08:2018-08-15").gap
        datetime.timedelta(days=7)

        Raises:
            TrainingError: A span is not two dates, or the split is not valid.
        """
        return cls(*_parse_span("train", train), *_parse_span("test", test))

    @property
    def gap(self) -> timedelta:
        """Return the time between the last training day's end and the first test day."""
        return self.test_from - self.train_to

    @property
    def test_days(self) -> int:
        """Return how many days there are to test on."""
        return (self.test_to - self.test_from).days

    def require_gap(self, known_after: timedelta) -> None:
        """Refuse a gap shorter than the label delay: the model would learn from labels nobody knew yet.

        Raises:
            TrainingError: The gap is too short; the message names a training span that fits.
        """
        if self.gap < known_after:
            end = self.test_from - whole_days(known_after)
            start = min(self.train_from, end - DAY)
            raise TrainingError(
                f"split: {_days(self.gap)} between train (ends {self.train_to:%F}) and test ({self.test_from:%F}), but "
                f"a label is known {_days(known_after)} after its event; write --train {start:%F}:{end:%F}, "
                "or move the test."
            )

    def to_dict(self) -> dict[str, str]:
        """Return the four dates, ISO 8601 (`2018-07-25`); `train_to` and `test_to` exclusive."""
        return {name: f"{getattr(self, name):%F}" for name in self.__slots__}


def default_split(
    last_event: datetime,
    known_after: timedelta,
    train_days: int = 7,
    test_days: int = 7,
    first_event: datetime | None = None,
) -> TemporalSplit:
    """Test on the last days there are labels for, train on the days before the gap.

    The day of `last_event` is taken as whole.

    >>> split = default_split(datetime(2018, 8, 14, 23, 59, 57, tzinfo=UTC), timedelta(days=7))
    >>> split.to_dict()["train_from"], split.to_dict()["test_from"]
    ('2018-07-25', '2018-08-08')

    Args:
        last_event: The newest label event, aware.
        known_after: How long after its event a label is known; the gap is this, rounded up to days.
        train_days: Days to train on, at least 1.
        test_days: Days to test on, at least 1.
        first_event: The oldest label event, aware; when given, training starts no earlier than its day.

    Raises:
        TrainingError: A number of days is below 1, or no day is left to train on.
    """
    if train_days < 1 or test_days < 1:
        raise TrainingError(f"split: {train_days} train and {test_days} test days; use at least 1 of each.")
    test_to = _midnight(last_event.astimezone(UTC)) + DAY
    test_from = test_to - test_days * DAY
    train_to = test_from - whole_days(known_after)
    train_from = train_to - train_days * DAY
    if first_event is not None:
        first_day = _midnight(first_event.astimezone(UTC))
        if train_to <= first_day:
            raise TrainingError(
                f"split: labels run from {first_event:%F} to {last_event:%F}, which leaves no day to train on before "
                f"a gap of {_days(test_from - train_to)} and {test_days} d of test; "
                "write a smaller --test-days, or backfill more events."
            )
        train_from = max(train_from, first_day)
    return TemporalSplit(train_from, train_to, test_from, test_to)


def whole_days(span: timedelta) -> timedelta:
    """Round a span up to whole days.

    >>> whole_days(timedelta(hours=25))
    datetime.timedelta(days=2)
    """
    return -(-span // DAY) * DAY


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def read_day(name: str, text: str) -> datetime:
    """Read a day such as `2018-07-25`, midnight UTC.

    Raises:
        TrainingError: It is none.
    """
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise TrainingError(f"{name}: {text!r} is not a day; write one such as 2018-07-25.") from error


def _parse_span(name: str, text: str) -> tuple[datetime, datetime]:
    start, colon, end = text.partition(":")
    try:
        if not colon:
            raise ValueError("no colon")
        return (
            datetime.strptime(start.strip(), "%Y-%m-%d").replace(tzinfo=UTC),
            datetime.strptime(end.strip(), "%Y-%m-%d").replace(tzinfo=UTC),
        )
    except ValueError as error:
        raise TrainingError(
            f"split: --{name} {text!r} is not a span of days; write --{name} 2018-07-25:2018-08-01 (the end is "
            "exclusive)."
        ) from error


def _days(span: timedelta) -> str:
    whole, rest = divmod(span, DAY)
    return f"{whole} d" if not rest else f"{span / DAY:.2f} d"
