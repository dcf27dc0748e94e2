"""Tests a fitted model on later days: which rows count, and what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb

from training.data.dataset import TrainingSet
from training.data.known_keys import without_known_positives
from training.data.label_events import read_label_events
from training.data.split import TemporalSplit
from training.data.task import TrainingTask
from training.fitting.model import ModelParams, choose_threshold, predict
from training.measures.key_precision import daily_key_precision
from training.measures.measured import Measured
from training.measures.metrics import Scores, measure
from training.measures.ranking import measure_ranking
from training.measures.regression import measure_regression
from training.options import TrainingOptions

FALLBACK_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's test.

    Attributes:
        tested: The rows that count.
        asked: All rows of the test days.
        scores: The model's answers for `tested`, shape (rows,).
        metrics: What was measured.
        daily: Each day's key precision; empty without a key.
        threshold_from: How the threshold was found, for people; empty where there is none.
    """

    tested: TrainingSet
    asked: TrainingSet
    scores: npt.NDArray[np.float64]
    metrics: Measured
    daily: pd.Series[float]
    threshold_from: str = ""


def evaluate(
    task: TrainingTask,
    split: TemporalSplit,
    options: TrainingOptions,
    params: ModelParams,
    booster: xgb.Booster,
    training: TrainingSet,
    asked: TrainingSet,
) -> Evaluation:
    """Measure a model that was fitted to `training` on the rows of `asked` that count."""
    if task.predicts == "regression":
        scores = predict(booster, asked.matrix)
        return Evaluation(asked, asked, scores, measure_regression(asked.labels, scores, training.labels), _no_days())
    if task.predicts == "ranking":
        tested = without_shared_lists(asked, training)
        scores = predict(booster, tested.matrix)
        return Evaluation(tested, asked, scores, measure_ranking(tested.labels, scores, tested.groups), _no_days())
    threshold, threshold_from = _threshold(training, options, params)
    tested = _without_known(task, asked, split)
    scores = predict(booster, tested.matrix)
    daily = _daily(task, tested, scores, options.k)
    metrics = measure(tested.labels, scores, threshold, options.k, float(daily.mean()) if len(daily) else None)
    return Evaluation(tested, asked, scores, metrics, daily, threshold_from)


def without_shared_lists(test: TrainingSet, training: TrainingSet) -> TrainingSet:
    """Leave out the test rows of a list that training has seen a part of: a list is never cut."""
    return test.where(~test.frame[test.group].isin(training.frame[test.group].unique()))


def _threshold(training: TrainingSet, options: TrainingOptions, params: ModelParams) -> tuple[float, str]:
    if options.threshold is not None:
        return options.threshold, "given"
    chosen = choose_threshold(training, params, options.seed)
    if chosen is None:
        return FALLBACK_THRESHOLD, "too few positives in the training span to choose one"
    return chosen, "the best F1 on the last quarter of the training rows, held out"


def _without_known(task: TrainingTask, test: TrainingSet, split: TemporalSplit) -> TrainingSet:
    """Leave out the test rows whose key is known to be positive before their day."""
    if task.drop_known is None:
        return test
    events = read_label_events(task, split.train_from, split.test_to, [task.drop_known])
    stay = without_known_positives(
        test.frame,
        events,
        key=task.drop_known,
        timestamp=task.timestamp,
        label=task.label,
        train_from=split.train_from,
        known_after=task.known_after,
    )
    return test.where(stay)


def _daily(task: TrainingTask, test: TrainingSet, scores: Scores, k: int) -> pd.Series[float]:
    if task.drop_known is None or not len(test):
        return _no_days()
    days = test.frame[task.timestamp].dt.floor("D")
    return daily_key_precision(days, test.frame[task.drop_known], test.labels, scores, k)


def _no_days() -> pd.Series[float]:
    return pd.Series(dtype="float64")
