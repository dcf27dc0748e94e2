"""One set of parameters on one fold: fitted to its past, stopped early and measured on what came later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.metrics import average_precision_score

from training.fitting.model import ModelParams, rows_to_fit

if TYPE_CHECKING:
    from training.data.dataset import TrainingSet

MOST_ROUNDS = 600
PATIENCE = 30

METRICS = {"binary": "aucpr", "regression": "rmse", "ranking": "ndcg@10"}
"""By kind of model: XGBoost's name of what decides when to stop."""

MEASURES = {"binary": "average precision", "regression": "RMSE", "ranking": "NDCG@10"}
"""By kind of model: what a search tries to improve."""


@dataclass(frozen=True, slots=True)
class FoldRows:
    """The rows of a fold as arrays, so that they travel to other machines.

    Attributes:
        predicts: `binary`, `regression` or `ranking`.
        train: Shape (rows, features), float32.
        train_labels: Shape (rows,).
        train_groups: Shape (rows,): the list of each row, rising; empty but for a ranking.
        valid: Shape (rows, features).
        valid_labels: Shape (rows,).
        valid_groups: Shape (rows,).
    """

    predicts: str
    train: npt.NDArray[np.float32]
    train_labels: npt.NDArray[Any]
    train_groups: npt.NDArray[np.int64]
    valid: npt.NDArray[np.float32]
    valid_labels: npt.NDArray[Any]
    valid_groups: npt.NDArray[np.int64]

    @classmethod
    def of(cls, train: TrainingSet, valid: TrainingSet, negatives: float, seed: int) -> FoldRows:
        """Return the rows of a fold; of its past only as many negatives as a fit takes."""
        return cls(train.predicts, *_arrays(train, negatives, seed), *_arrays(valid, 1.0, seed))

    @property
    def is_told(self) -> bool:
        """Return whether its labels differ, in the past and later: else nothing can be learned or measured."""
        return all(len(part) and part.min() < part.max() for part in (self.train_labels, self.valid_labels))


@dataclass(frozen=True, slots=True)
class FoldFound:
    """What parameters reached on a fold.

    Attributes:
        value: The measure of `MEASURES`.
        rounds: The number of trees at which it was best.
    """

    value: float
    rounds: int


def try_fold(rows: FoldRows, params: ModelParams, seed: int, most: int = MOST_ROUNDS) -> FoldFound:
    """Fit to a fold's past until what comes later gets no better."""
    chosen = params.for_xgboost(seed, rows.predicts) | {"eval_metric": METRICS[rows.predicts]}
    bins = {"max_bin": params.max_bin} if params.tree_method == "hist" else {}
    train = xgb.QuantileDMatrix(rows.train, label=rows.train_labels, **bins, **_lists(rows.train_groups))
    valid = xgb.QuantileDMatrix(rows.valid, label=rows.valid_labels, ref=train, **bins, **_lists(rows.valid_groups))
    booster = xgb.train(
        chosen, train, most, evals=[(valid, "valid")], early_stopping_rounds=PATIENCE, verbose_eval=False
    )
    best = booster.best_iteration + 1
    if rows.predicts != "binary":
        return FoldFound(float(booster.best_score), best)
    scores = booster.inplace_predict(rows.valid, iteration_range=(0, best), validate_features=False)
    return FoldFound(float(average_precision_score(rows.valid_labels, scores)), best)


def _arrays(rows: TrainingSet, negatives: float, seed: int) -> tuple[Any, Any, npt.NDArray[np.int64]]:
    if rows.predicts == "ranking":
        groups = rows.groups
        order = np.argsort(groups, kind="stable")
        return rows.matrix[order].astype(np.float32), rows.labels[order], groups[order]
    fitted = rows_to_fit(rows.labels, negatives, seed) if rows.predicts == "binary" else slice(None)
    return rows.matrix[fitted].astype(np.float32), rows.labels[fitted], np.zeros(0, dtype=np.int64)


def _lists(groups: npt.NDArray[np.int64]) -> dict[str, Any]:
    return {"qid": groups} if len(groups) else {}
