"""Fits the model: gradient-boosted trees (XGBoost) on a training set's numbers."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from training.errors import TrainingError

if TYPE_CHECKING:
    from training.data.dataset import TrainingSet

OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror", "ranking": "rank:ndcg"}


@dataclass(frozen=True, slots=True)
class ModelParams:
    """What the model is fitted with: XGBoost's own defaults, but for two.

    Fine bins (`max_bin`) and a fixed base score: with 256 bins and a fitted base score, average precision on rare
    positives is clearly lower.

    Attributes:
        rounds: Number of trees.
        negatives: Of a binary model's negatives, the share that is fitted to: a tenth of very many costs a tenth and teaches
            nearly as much. The calibration sees all of them, and so puts the scores right.
        nthread: Threads; 0 takes every core but one. A core too many is dear: where stream and service run as well,
            threads that wait for one another made a fit seven times slower.
    """

    rounds: int = 100
    max_depth: int = 6
    learning_rate: float = 0.3
    min_child_weight: float = 1.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    reg_lambda: float = 1.0
    scale_pos_weight: float = 1.0
    tree_method: str = "hist"
    max_bin: int = 4096
    base_score: float = 0.5
    nthread: int = 0
    negatives: float = 1.0

    def for_xgboost(self, seed: int, predicts: str = "binary") -> dict[str, Any]:
        """Return the parameters of `xgboost.train` for what is predicted."""
        chosen = {name: value for name, value in asdict(self).items() if name not in ("rounds", "negatives")}
        chosen["nthread"] = self.nthread or max(1, (os.cpu_count() or 2) - 1)
        if self.tree_method != "hist":
            del chosen["max_bin"]
        if predicts != "binary":  # a share of positives is no place to start from
            del chosen["base_score"], chosen["scale_pos_weight"]
        return {"objective": OBJECTIVES[predicts], "seed": seed, **chosen}


def default_params(predicts: str) -> ModelParams:
    """Return what a model is fitted with when nothing is asked for.

    Quantities and relevances have far noisier labels than a class: with XGBoost's own steps of 0.3 and depth of 6, some
    thousand rows of them are learned by heart. Smaller steps, flatter trees and larger leaves keep to what repeats.
    """
    if predicts == "binary":
        return ModelParams()
    return ModelParams(learning_rate=0.05, max_depth=4, min_child_weight=20.0 if predicts == "regression" else 1.0)


def train_model(training_set: TrainingSet, params: ModelParams | None = None, seed: int = 7) -> xgb.Booster:
    """Fit a booster whose feature names are the training set's columns, in order.

    It answers with a probability, a quantity, or for a ranking with what candidates are ordered by.

    Raises:
        TrainingError: There are no rows, or all are of one class, or no list has candidates of different relevance.
    """
    params = params or ModelParams()
    if training_set.predicts != "binary":
        return _train_other(training_set, params, seed)
    if not 0 < training_set.positives < len(training_set):
        raise TrainingError(
            f"{training_set.service}: {len(training_set)} rows to train on, {training_set.positives} of them positive; "
            "a model needs both classes, so choose a longer TRAIN span."
        )
    rows = rows_to_fit(training_set.labels, params.negatives, seed)
    names = list(training_set.features)
    data = xgb.DMatrix(training_set.matrix[rows], label=training_set.labels[rows], feature_names=names)
    return xgb.train(params.for_xgboost(seed), data, num_boost_round=params.rounds)


def rows_to_fit(labels: npt.NDArray[Any], negatives: float, seed: int) -> npt.NDArray[np.bool_]:
    """Say of each row whether it is fitted to: every positive, and such a share of the negatives.

    >>> rows_to_fit(np.array([0, 1, 0, 1]), 1.0, seed=7).tolist()
    [True, True, True, True]
    """
    if negatives >= 1:
        return np.ones(len(labels), dtype=np.bool_)
    return (labels == 1) | (np.random.default_rng(seed).random(len(labels)) < negatives)


def _train_other(training_set: TrainingSet, params: ModelParams, seed: int) -> xgb.Booster:
    labels, groups = training_set.labels, training_set.groups
    if not len(labels) or labels.min() == labels.max():
        raise TrainingError(
            f"{training_set.service}: {len(labels)} rows to train on, all with the same label; choose a longer TRAIN span."
        )
    order = np.argsort(groups, kind="stable")  # XGBoost wants each list's candidates side by side
    data = xgb.DMatrix(training_set.matrix[order], label=labels[order], feature_names=list(training_set.features))
    if training_set.predicts == "ranking":
        data.set_info(qid=groups[order])
    chosen = params.for_xgboost(seed, training_set.predicts)
    return xgb.train(chosen, data, num_boost_round=params.rounds)


def predict(booster: xgb.Booster, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the model's answer for each row, shape (rows,), float64: for a binary one a probability.

    Args:
        booster: A fitted model.
        matrix: Shape (rows, features), the columns in the model's order, NaN where missing.
    """
    return np.asarray(booster.inplace_predict(matrix, validate_features=False), dtype="float64")
