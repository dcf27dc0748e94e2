"""Fits a model with all that belongs to it: trees, the calibration of their scores, and the alert threshold.

A model's scores on rows it was fitted to are far too sure. So both are found on the last quarter of the training rows, by a
second model of the rest; the model that is kept is fitted to all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb

from contract.calibration import Calibration
from training.fitting.calibrate import calibrate
from training.fitting.model import ModelParams, predict, train_model
from training.measures.metrics import best_f1_threshold

if TYPE_CHECKING:
    from training.data.dataset import TrainingSet

Floats = npt.NDArray[np.float64]
ChooseThreshold = Callable[["TrainingSet", Floats], float | None]

HOLD_OUT = 0.25
FALLBACK_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model that can answer.

    Attributes:
        booster: Its trees.
        calibration: What makes their scores probabilities; None where they stay as they are.
        calibrated_by: Why, for people; empty for what is not binary.
        threshold: The alert threshold; None for what is not binary.
        threshold_from: How it was found, for people.
    """

    booster: xgb.Booster
    calibration: Calibration | None = None
    calibrated_by: str = ""
    threshold: float | None = None
    threshold_from: str = ""

    def predict(self, matrix: Floats) -> Floats:
        """Return the model's answer for each row, shape (rows,)."""
        return self.calibrated(self.raw(matrix))

    def raw(self, matrix: Floats) -> Floats:
        """Return what its trees give for each row, shape (rows,)."""
        return predict(self.booster, matrix)

    def calibrated(self, scores: Floats) -> Floats:
        """Return the model's answers, of what its trees give."""
        return scores if self.calibration is None else self.calibration.apply(scores)


def fit_model(
    training: TrainingSet,
    params: ModelParams,
    seed: int = 7,
    threshold: float | None = None,
    choose: tuple[ChooseThreshold, str] | None = None,
) -> FittedModel:
    """Fit a model to a training set.

    Args:
        training: The rows, in the order of time.
        params: What to fit with.
        seed: For XGBoost.
        threshold: The alert threshold, when it is given.
        choose: What chooses it otherwise, of rows held out and their scores, and what that is called; the best F1 when None.

    Raises:
        TrainingError: The rows cannot be fitted.
    """
    booster = train_model(training, params, seed)
    if training.predicts != "binary":
        return FittedModel(booster)
    # What a fit to a share of the negatives alone gets wrong is known; a curve that is found puts it right as well.
    share = None if params.negatives >= 1 else Calibration(1.0, 1.0, math.log(params.negatives))
    held = hold_out(training, params, seed)
    if held is None:
        why = "too few positives in the training span to choose one" if threshold is None else "given"
        return FittedModel(
            booster, share, "none: too few positives", FALLBACK_THRESHOLD if threshold is None else threshold, why
        )
    rows, scores = held
    found = calibrate(rows.labels, scores)
    curve = found.calibration or share
    if threshold is not None:
        return FittedModel(booster, curve, found.said, threshold, "given")
    chooses, what = choose or (_best_f1, "the best F1")
    chosen = chooses(rows, scores if curve is None else curve.apply(scores))
    said = f"{what} on the last quarter of the training rows, held out"
    return FittedModel(booster, curve, found.said, FALLBACK_THRESHOLD if chosen is None else chosen, said)


def hold_out(training: TrainingSet, params: ModelParams, seed: int = 7) -> tuple[TrainingSet, Floats] | None:
    """Return the last quarter of the rows, and the scores that a model of the rest gives them.

    None where either part holds one class only. The rows are in the order of time.
    """
    before = pd.Series(np.arange(len(training)) < int(len(training) * (1 - HOLD_OUT)))
    fit, held = training.where(before), training.where(~before)
    if not 0 < fit.positives < len(fit) or not held.positives:
        return None
    return held, predict(train_model(fit, params, seed), held.matrix)


def _best_f1(held: TrainingSet, scores: Floats) -> float | None:
    return best_f1_threshold(held.labels, scores)
