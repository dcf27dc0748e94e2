"""Divides the days before a test into folds that a search may look at: each trained on the past, validated on what came later.

```text
fold 2   |---- train ----|  gap  | valid |
fold 1           |---- train ----|  gap  | valid |
the run                  |------- train ---------|  gap  |---- test ----|
```

The gap is as long as a label takes to become known, so a fold knows no more than its day would have. All of it lies before the end of
the run's training span: the test's rows, and what became known after the test began, are in no fold.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from training.data.split import DAY, TemporalSplit, whole_days
from training.errors import TrainingError


def temporal_folds(
    split: TemporalSplit, known_after: timedelta, number: int, first: datetime, *, history: bool = False
) -> tuple[TemporalSplit, ...]:
    """Return up to `number` folds, the newest first; their `test` spans are what they are validated on.

    >>> split = TemporalSplit.parse("2018-07-25:2018-08-01", "2018-08-08:2018-08-15")
    >>> folds = temporal_folds(split, timedelta(days=7), 4, split.train_from - timedelta(days=60))
    >>> [f"{fold.test_from:%F}" for fold in folds], f"{folds[-1].train_from:%F}"
    (['2018-07-25', '2018-07-18', '2018-07-11', '2018-07-04'], '2018-06-20')

    Args:
        split: That of the run.
        known_after: How long after its event a label is known.
        number: Folds asked for.
        first: The first instant there are labels for; no fold begins before its day.
        history: Whether a fold trains on everything from the run's first day on, rather than on as many days as the run.

    Raises:
        TrainingError: There are no days for even one.
    """
    span = split.test_to - split.test_from
    days = split.train_to - split.train_from
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for place in range(number):
        valid_to = split.train_to - place * span
        train_to = valid_to - span - whole_days(known_after)
        train_from = max(start, split.train_from if history else train_to - days)
        if train_to - train_from < DAY:
            break
        found.append(TemporalSplit(train_from, train_to, valid_to - span, valid_to))
    if not found:
        raise TrainingError(
            f"folds: no day to train on is left before a gap of {whole_days(known_after).days} d and {span.days} d to validate on,"
            f" all before {split.train_to:%F}; labels begin {start:%F}. Use a longer TRAIN span with HISTORY=1, a later test or"
            " fewer TEST_DAYS, or TRIALS=0."
        )
    return tuple(found)
