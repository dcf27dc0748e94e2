"""What one feature alone knows of the label, judged by scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.leakage.single_feature import auroc, auroc_of_nulls, correlation

values_and_labels = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30)


@given(values_and_labels)
def test_the_area_is_that_of_scikit_learn_in_the_better_direction(rows: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import roc_auc_score

    values, positive = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    if positive.all() or not positive.any():
        assert np.isnan(auroc(values, positive))
        return
    area = roc_auc_score(positive, values)
    assert auroc(values, positive) == pytest.approx(max(area, 1 - area))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30))
def test_the_correlation_is_the_larger_of_both_kinds(rows: list[tuple[int, int]]) -> None:
    from scipy.stats import pearsonr, spearmanr

    a, b = np.array(rows, float).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan(correlation(a, b))
        return
    both = max(abs(pearsonr(a, b).statistic), abs(spearmanr(a, b).statistic))
    assert correlation(a, b) == pytest.approx(both)


def test_nulls_that_stand_for_a_class_are_as_good_as_the_label() -> None:
    positive = np.arange(40) % 4 == 0
    assert auroc_of_nulls(np.where(positive, 5.0, np.nan), positive) == 1.0
    assert auroc_of_nulls(np.where(np.arange(40) < 20, 5.0, np.nan), positive) == 0.5
    assert np.isnan(auroc(np.where(positive, 5.0, np.nan), positive))
