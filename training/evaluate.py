"""Tests a fitted model on later days: which rows count, and what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.data.dataset import TrainingSet
from training.data.known_keys import without_known_positives
from training.data.rows import TrainingRows
from training.data.split import TemporalSplit
from training.data.task import TrainingTask
from training.fitting.fitted import FALLBACK_THRESHOLD, FittedModel
from training.measures.alerts import AlertRow, alert_table
from training.measures.binary import BinaryTest
from training.measures.bootstrap import Statistic, draw_counts
from training.measures.measured import Measured
from training.measures.ranking import measure_ranking
from training.measures.regression import measure_regression, of_errors
from training.measures.segments import Segment, segment_table
from training.measures.statistics import of_order, only
from training.options import TrainingOptions

LEAST_FOR_SEGMENTS = 20


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's test.

    Attributes:
        tested: The rows that count.
        asked: All rows of the test days.
        scores: The model's answers for `tested`, shape (rows,).
        metrics: What was measured.
        daily: Each day's key precision; empty without a key.
        raw: What the trees gave before the calibration, shape (rows,).
        alerts: What several thresholds give; empty for what is not binary.
        segments: The parts of the rows that were asked for.
    """

    tested: TrainingSet
    asked: TrainingSet
    scores: npt.NDArray[np.float64]
    metrics: Measured
    raw: npt.NDArray[np.float64]
    daily: pd.Series[float] = field(default_factory=lambda: pd.Series(dtype="float64"))
    alerts: tuple[AlertRow, ...] = ()
    segments: tuple[Segment, ...] = ()


def evaluate(
    task: TrainingTask,
    split: TemporalSplit,
    options: TrainingOptions,
    fitted: FittedModel,
    training: TrainingSet,
    asked: TrainingSet,
    source: TrainingRows,
) -> Evaluation:
    """Measure a model that was fitted to `training` on the rows of `asked` that count."""
    tested = rows_that_count(task, split, options.known_since, training, asked, source)
    raw = fitted.raw(tested.matrix)
    scores = fitted.calibrated(raw)
    if task.predicts == "regression":
        parts = _segments(task, options, tested, scores, draw_counts(len(tested), seed=options.seed))
        metrics = measure_regression(tested.labels, scores, training.labels)
        return Evaluation(tested, asked, scores, metrics, raw, segments=parts)
    if task.predicts == "ranking":
        return Evaluation(tested, asked, scores, measure_ranking(tested.labels, scores, tested.groups), raw)
    threshold = FALLBACK_THRESHOLD if fitted.threshold is None else fitted.threshold
    costs = options.costs or task.costs
    missing = costs.of_missing(tested.frame, tested.labels) if costs else None
    test = BinaryTest(
        labels=tested.labels,
        scores=scores,
        days=tested.frame[task.timestamp].dt.floor("D"),
        keys=tested.frame[task.drop_known] if task.drop_known and len(tested) else None,
        threshold=threshold,
        k=options.k,
        costs=costs,
        missing=missing,
    )
    counts = test.draw(options.seed)
    return Evaluation(
        tested,
        asked,
        scores,
        test.measure(counts),
        raw,
        daily=test.daily(),
        alerts=alert_table(tested.labels, scores, threshold, counts, costs, missing),
        segments=_segments(task, options, tested, scores, counts),
    )


def rows_that_count(
    task: TrainingTask,
    split: TemporalSplit,
    known_since: datetime | None,
    training: TrainingSet,
    asked: TrainingSet,
    source: TrainingRows,
) -> TrainingSet:
    """Leave out what a test would be too easy with: lists that training has seen a part of, keys that are known to be positive.

    Keys count as known that were positive since `known_since`, or the first training day, before the row's own day.
    """
    if task.predicts == "ranking":
        return asked.where(~asked.frame[asked.group].isin(training.frame[asked.group].unique()))
    if task.drop_known is None:
        return asked
    since = known_since or split.train_from
    events = source.labels(since, split.test_to, task.drop_known)
    stay = without_known_positives(
        asked.frame,
        events,
        key=task.drop_known,
        timestamp=task.timestamp,
        label=task.label,
        train_from=since,
        known_after=task.known_after,
    )
    return asked.where(stay)


def _segments(
    task: TrainingTask, options: TrainingOptions, tested: TrainingSet, scores: npt.NDArray[np.float64], counts: Any
) -> tuple[Segment, ...]:
    if len(tested) < LEAST_FOR_SEGMENTS:
        return ()

    def statistic(rows: npt.NDArray[np.int64]) -> Statistic:
        if task.predicts == "regression":
            return of_errors(tested.labels[rows], scores[rows])
        return only(of_order(tested.labels[rows], scores[rows]), "auroc", "average_precision")

    return tuple(
        part
        for column in options.segments or task.segments
        for part in segment_table(column, tested.frame, tested.labels, statistic, counts)
    )
