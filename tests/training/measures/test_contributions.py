"""SHAP values of test rows: exact, of the rows that matter, ranked by size."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb

from training.measures.contributions import ROWS, explain
from training.reports.wide_plots import draw_contributions

NAMES = ("view__helps", "view__harms", "view__idle")


@pytest.fixture(scope="module")
def fitted() -> tuple[xgb.Booster, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    matrix = random.random((6_000, 3))
    labels = (random.random(6_000) < 1 / (1 + np.exp(-(4 * matrix[:, 0] - 2 * matrix[:, 1] - 1)))).astype(int)
    matrix[::7, 0] = np.nan
    data = xgb.DMatrix(matrix, labels, feature_names=list(NAMES))
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 30)
    return booster, matrix, booster.predict(data).astype("float64")


def test_values_add_up_to_the_margin_and_rank_the_features(
    fitted: tuple[xgb.Booster, np.ndarray, np.ndarray],
) -> None:
    booster, matrix, scores = fitted
    found = explain(booster, matrix, NAMES, scores)
    assert found.values.shape == found.matrix.shape == (ROWS, 3)
    margin = booster.predict(xgb.DMatrix(found.matrix, feature_names=list(NAMES)), output_margin=True)
    base = margin - found.values.sum(axis=1)
    assert np.ptp(base) < 1e-4
    ranked = found.ranked()
    assert [one.name for one in ranked] == list(NAMES)
    assert ranked[0].mean > ranked[1].mean > 3 * ranked[2].mean
    assert ranked[0].rises is not None
    assert ranked[0].rises > 0.9
    assert ranked[1].rises is not None
    assert ranked[1].rises < -0.9


def test_the_highest_scores_are_among_the_rows(fitted: tuple[xgb.Booster, np.ndarray, np.ndarray]) -> None:
    booster, matrix, scores = fitted
    found = explain(booster, matrix, NAMES, scores)
    top = matrix[np.argsort(-scores, kind="stable")[: ROWS // 2]]
    rows = {row.tobytes() for row in found.matrix}
    assert all(row.tobytes() in rows for row in top)


def test_few_rows_and_none_are_drawn_too(fitted: tuple[xgb.Booster, np.ndarray, np.ndarray]) -> None:
    booster, matrix, scores = fitted
    for rows in (0, 2):
        found = explain(booster, matrix[:rows], NAMES, scores[:rows])
        assert len(found.values) == rows
        assert draw_contributions(found).axes
