"""Intervals against resamples that are really built, against a known distribution, and by whole clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from training.measures.bootstrap import bootstrap, draw_counts, interval, intervals, point
from training.measures.key_precision import daily_key_precision, of_keys
from training.measures.statistics import of_alerts, of_days, of_means, of_order, together

ROWS, K = 400, 25
RANDOM = np.random.default_rng(3)
LABELS = (RANDOM.random(ROWS) < 0.2).astype("int64")
SCORES = np.round(0.6 * RANDOM.random(ROWS) + 0.4 * LABELS * RANDOM.random(ROWS), 2)  # many are equal
DAYS, KEYS = np.sort(RANDOM.integers(0, 4, ROWS)), RANDOM.integers(0, 60, ROWS)


def test_every_resample_measures_what_scikit_learn_does_on_the_rows_drawn() -> None:
    counts = draw_counts(ROWS, KEYS, resamples=20)
    statistic = together(
        of_order(LABELS, SCORES, K), of_alerts(LABELS, SCORES, 0.5), of_means({"brier": (SCORES - LABELS) ** 2})
    )
    draws = bootstrap(statistic, counts)
    for resample, drawn in enumerate(counts):
        labels, scores = np.repeat(LABELS, drawn), np.repeat(SCORES, drawn)
        expected = {
            "auroc": sk.roc_auc_score(labels, scores),
            "average_precision": sk.average_precision_score(labels, scores),
            "ndcg": sk.ndcg_score([labels], [scores]),
            "precision_at_k": labels[np.argsort(-scores, kind="stable")][:K].mean(),
            "precision": sk.precision_score(labels, scores >= 0.5),
            "recall": sk.recall_score(labels, scores >= 0.5),
            "f1": sk.f1_score(labels, scores >= 0.5),
            "brier": sk.brier_score_loss(labels, scores),
        }
        found = {name: values[resample] for name, values in draws.items()}
        assert found == pytest.approx(expected, abs=1e-12)


def test_key_precision_of_a_resample_is_that_of_its_keys_under_new_names() -> None:
    counts = draw_counts(ROWS, KEYS, resamples=10)
    statistic = of_keys(pd.Series(DAYS), pd.Series(KEYS), LABELS, SCORES, k=10)
    draws = bootstrap(statistic, counts)["key_precision_at_k"]
    for resample, drawn in enumerate(counts):
        row = np.repeat(np.arange(ROWS), drawn)
        copy = np.concatenate([np.arange(n) for n in drawn])
        # A copy of a key is a key of its own; by (key, copy), so that ties fall the same way.
        built = daily_key_precision(
            pd.Series(DAYS[row]), pd.Series(KEYS[row] * 100 + copy), LABELS[row], SCORES[row], 10
        )
        assert draws[resample] == pytest.approx(built.mean(), abs=0.1)  # copies of one key may be cut at the k-th
    ones = point(statistic, ROWS)["key_precision_at_k"]
    assert ones == daily_key_precision(pd.Series(DAYS), pd.Series(KEYS), LABELS, SCORES, 10).mean()


def test_days_are_measured_each_and_averaged() -> None:
    found = point(of_days(LABELS, SCORES, DAYS, K), ROWS)
    each = [point(of_order(LABELS[d == DAYS], SCORES[d == DAYS], K), int((d == DAYS).sum())) for d in range(4)]
    assert found["ndcg_daily"] == pytest.approx(np.mean([day["ndcg"] for day in each]))
    assert found["precision_at_k_daily"] == pytest.approx(np.mean([day["precision_at_k"] for day in each]))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(100):
        values = np.random.default_rng(seed).normal(size=120)
        low, high = intervals(bootstrap(of_means({"mean": values}), draw_counts(120, resamples=150, seed=seed)))["mean"]
        held += low <= 0 <= high
    assert 88 <= held <= 99


def test_rows_of_a_cluster_that_are_all_alike_count_once() -> None:
    values = np.repeat(np.random.default_rng(5).normal(size=50), 20)
    widths = []
    for clusters in (None, np.repeat(np.arange(50), 20)):
        low, high = intervals(bootstrap(of_means({"mean": values}), draw_counts(1000, clusters)))["mean"]
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(20**0.5, rel=0.3)


def test_same_seed_draws_the_same() -> None:
    assert (draw_counts(50, seed=1) == draw_counts(50, seed=1)).all()
    assert (draw_counts(50, seed=1) != draw_counts(50, seed=2)).any()


def test_what_most_resamples_leave_undefined_has_no_interval() -> None:
    labels = np.zeros(30, dtype="int64")
    draws = bootstrap(of_order(labels, np.linspace(0, 1, 30), k=100), draw_counts(30))
    assert intervals(draws) == {}
    assert interval(np.array([np.nan, 1.0, 2.0]), level=0.5) == (1.25, 1.75)
