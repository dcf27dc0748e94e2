"""Threshold and calibration come from rows that the model they are found with has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.data.dataset import TrainingSet
from training.fitting.calibrate import calibrate
from training.fitting.fitted import FALLBACK_THRESHOLD, fit_model
from training.fitting.model import ModelParams, predict, train_model

FEW = ModelParams(rounds=40, nthread=1)
ROWS, FIRST = 2000, 1500


@pytest.fixture
def rows() -> TrainingSet:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(ROWS, 2)), columns=["ad__views", "ad__rate"])
    frame["clicked"] = (frame["ad__views"] + random.normal(size=ROWS) > 1).astype("int64")
    return TrainingSet("ads", frame, "clicked", ("ad__views", "ad__rate"), "id", "at", ("ad_id",))


def test_what_is_held_out_decides(rows: TrainingSet) -> None:
    fitted = fit_model(rows, FEW)
    held = rows.where(rows.frame.index >= FIRST)
    scores = predict(train_model(rows.where(rows.frame.index < FIRST), FEW), held.matrix)
    found = calibrate(held.labels, scores)
    assert found.calibration is not None  # forty trees of depth six are far too sure of noise
    assert (fitted.calibration, fitted.calibrated_by) == (found.calibration, found.said)
    assert fitted.threshold in set(found.calibration.apply(scores)[held.labels == 1])
    np.testing.assert_array_equal(fitted.booster.get_dump(), train_model(rows, FEW).get_dump())


def test_calibrated_scores_come_true_more_nearly(rows: TrainingSet) -> None:
    random = np.random.default_rng(2)
    views = random.normal(size=20_000)
    labels = (views + random.normal(size=20_000) > 1).astype("int64")
    fitted = fit_model(rows, FEW)
    matrix = np.stack([views, random.normal(size=20_000)], axis=1)
    before, after = predict(fitted.booster, matrix), fitted.predict(matrix)
    assert ((after - labels) ** 2).mean() < ((before - labels) ** 2).mean()
    assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_no_positive_in_the_held_out_rows_finds_nothing(rows: TrainingSet) -> None:
    rows.frame.loc[FIRST:, "clicked"] = 0
    fitted = fit_model(rows, FEW)
    assert (fitted.calibration, fitted.threshold) == (None, FALLBACK_THRESHOLD)
    assert "too few positives" in fitted.threshold_from
    assert fit_model(rows, FEW, threshold=0.3).threshold == 0.3
