"""The test of two AUROCs: as scikit-learn counts them, as DeLong's formula says, and honest about rows that are alike."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.measures.bootstrap import bootstrap, draw_counts
from training.measures.delong import compare_auroc
from training.measures.statistics import of_order


def drawn(seed: int, rows: int = 600, each: int = 1, lift: float = 0.0) -> tuple[np.ndarray, ...]:
    """Two models that see the same signal through noise of their own, shared by `each` rows of a cluster."""
    random = np.random.default_rng(seed)
    clusters = np.arange(rows) // each
    labels = (random.uniform(0, 1, rows // each) < 0.2).astype("int64")[clusters]
    signal = labels + random.normal(0, 1, rows // each)[clusters]
    noise = random.normal(0, 0.7, (2, rows // each))[:, clusters]
    return labels, signal + noise[0], signal + noise[1] * (1 - lift), clusters


def test_the_difference_is_that_of_the_areas_with_ties() -> None:
    labels, first, second, _ = drawn(1)
    first, second = first.round(1), second.round(1)
    found = compare_auroc(labels, first, second)
    assert found is not None
    assert found[0] == pytest.approx(roc_auc_score(labels, second) - roc_auc_score(labels, first), abs=1e-12)


def test_the_error_is_that_of_delongs_formula() -> None:
    labels, first, second, _ = drawn(2, rows=120)
    up, down = [], []
    for scores in (first, second):
        wins = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).astype(float)
        up.append(wins.mean(axis=1))
        down.append(wins.mean(axis=0))
    variance = np.var(up[1] - up[0], ddof=1) / len(up[0]) + np.var(down[1] - down[0], ddof=1) / len(down[0])
    found = compare_auroc(labels, first, second)
    assert found is not None
    assert found[1] == pytest.approx(variance**0.5)


@pytest.mark.parametrize("each", [1, 6])
def test_the_error_is_that_of_draws_of_clusters(each: int) -> None:
    labels, first, second, clusters = drawn(3, rows=3000, each=each)
    counts = draw_counts(len(labels), clusters, 300)
    draws = [bootstrap(of_order(labels, one), counts)["auroc"] for one in (first, second)]
    found = compare_auroc(labels, first, second, clusters)
    assert found is not None
    assert found[1] == pytest.approx((draws[1] - draws[0]).std(), rel=0.12)


def test_equal_models_are_told_apart_no_oftener_than_said_though_rows_are_alike() -> None:
    p = {"clusters": [], "rows": []}
    for seed in range(200):
        labels, first, second, clusters = drawn(seed, each=6)
        for name, given in (("clusters", clusters), ("rows", None)):
            found = compare_auroc(labels, first, second, given)
            assert found is not None
            p[name].append(found[2])
    assert np.mean(np.array(p["clusters"]) < 0.05) < 0.10
    assert np.mean(np.array(p["rows"]) < 0.05) > 0.30  # what would be said without


def test_a_difference_is_found_and_one_class_is_nothing_to_compare() -> None:
    labels, first, second, _ = drawn(5, rows=3000, lift=1.0)
    found = compare_auroc(labels, first, second)
    assert found is not None
    assert found[0] > 0
    assert found[2] < 0.001
    assert compare_auroc(np.zeros(3), first[:3], second[:3]) is None
