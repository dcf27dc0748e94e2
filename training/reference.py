"""Counts what a model was trained and tested on into bins, as the reference for what it will be served."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from contract.reference import LABEL, SCORE, ColumnReference, RowDays, column_reference
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
    is_test = np.arange(len(training) + len(asked)) >= len(training)
    days = RowDays.of(np.concatenate([_days(training), _days(asked)]), is_test)
    labels = np.concatenate([training.labels, asked.labels]).astype(np.float64)
    fitted, later = training.matrix, asked.matrix
    columns = [
        column_reference(name, np.concatenate([fitted[:, at], later[:, at]]), days)
        for at, name in enumerate(training.features)
    ]
    scored = RowDays.of(_days(tested), np.zeros(len(tested), np.bool_))
    return [
        *columns,
        column_reference(SCORE, scores.astype(np.float64), scored),
        column_reference(LABEL, labels, days),
    ]


def _days(rows: TrainingSet) -> npt.NDArray[np.datetime64]:
    return rows.frame[rows.timestamp].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[D]")
