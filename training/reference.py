"""Counts what a model was trained and tested on into bins, as the reference for what it will be served."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from contract.reference import LABEL, SCORE, ColumnReference, column_reference
from training.data.dataset import TrainingSet


def reference_of(
    training: TrainingSet, asked: TrainingSet, tested: TrainingSet, scores: npt.NDArray[np.float64]
) -> list[ColumnReference]:
    """Return the reference of a run: features and labels of the training days, and scores of the test days.

    What was fitted is scored too well on its own rows. The test days' features and labels only tell how much days differ.

    Args:
        training: What the model was fitted to.
        asked: All rows of the test days.
        tested: The rows of them that were scored.
        scores: The model's answers for `tested`.
    """
    days = np.concatenate([_days(training), _days(asked)])
    is_test = np.arange(len(days)) >= len(training)
    labels = np.concatenate([training.labels, asked.labels]).astype(np.float64)
    columns = [
        column_reference(name, np.concatenate([training.matrix[:, at], asked.matrix[:, at]]), days, is_test)
        for at, name in enumerate(training.features)
    ]
    never = np.zeros(len(tested), np.bool_)
    return [
        *columns,
        column_reference(SCORE, scores.astype(np.float64), _days(tested), never),
        column_reference(LABEL, labels, days, is_test),
    ]


def _days(rows: TrainingSet) -> npt.NDArray[np.str_]:
    return rows.frame[rows.timestamp].dt.strftime("%Y-%m-%d").to_numpy(dtype=str)
