"""Two models on the same rows: the figures are those of each alone, intervals hold what they say, better is better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.measures.bootstrap import bootstrap, draw_counts
from training.measures.key_precision import daily_key_precision
from training.measures.metrics import measure
from training.measures.paired import Difference, PairedRows, compare_scores, title_of
from training.measures.ranking import measure_ranking
from training.measures.regression import measure_regression
from training.measures.statistics import of_order


def binary(seed: int, lift: float = 0.0, rows: int = 1500, each: int = 5) -> PairedRows:
    """Clusters of rows with one label and one score; the challenger's noise is smaller by `lift`."""
    random = np.random.default_rng(seed)
    clusters = np.arange(rows) // each
    base = random.normal(-2.5, 1.2, rows // each)[clusters]
    labels = (random.uniform(0, 1, rows // each)[clusters] < 1 / (1 + np.exp(-base))).astype("int64")
    noise = random.normal(0, 0.8, (2, rows // each))[:, clusters]
    champion, challenger = (1 / (1 + np.exp(-base - by)) for by in (noise[0], noise[1] * (1 - lift)))
    days = pd.Series(pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(np.arange(rows) % 4, unit="D"))
    return PairedRows("binary", labels, champion, challenger, clusters, days=days, keys=pd.Series(clusters), k=20)


def test_each_models_figures_are_those_it_has_alone() -> None:
    rows = binary(1)
    found = {one.metric: one for one in compare_scores(rows, resamples=50)}
    alone = measure(rows.labels, rows.challenger, 0.5, rows.k)
    assert found["auroc"].challenger == pytest.approx(alone.auroc)
    assert found["average_precision"].challenger == pytest.approx(alone.average_precision)
    assert found["log_loss"].challenger == pytest.approx(alone.log_loss)
    daily = daily_key_precision(rows.days, rows.keys, rows.labels, rows.champion, rows.k)
    assert found["key_precision_at_k"].champion == pytest.approx(daily.mean())


def test_rankings_and_regressions_have_their_own_metrics() -> None:
    random = np.random.default_rng(2)
    groups = random.integers(0, 80, 800)
    labels = random.integers(0, 3, 800)
    close, far = (labels + random.normal(0, spread, 800) for spread in (0.5, 2.0))
    rows = PairedRows("ranking", labels, far, close, groups, groups=groups)
    found = {one.metric: one for one in compare_scores(rows)}
    alone = measure_ranking(labels, far, groups)
    assert list(found) == ["ndcg_10", "ndcg_5", "average_precision", "pairwise_loss"]
    assert [found[name].champion for name in found] == pytest.approx([getattr(alone, name) for name in found])
    assert {one.verdict for one in found.values()} == {"better"}
    rows = PairedRows("regression", labels.astype("float64"), close, far)
    found = {one.metric: one for one in compare_scores(rows)}
    quantities = measure_regression(rows.labels, close, rows.labels)
    assert [found[name].champion for name in ("rmse", "mae")] == pytest.approx([quantities.rmse, quantities.mae])
    assert {one.verdict for one in found.values()} == {"worse"}


def test_equal_models_seem_better_or_worse_about_as_rarely_as_the_interval_says() -> None:
    told = {"clusters": 0, "rows": 0}
    for seed in range(60):
        rows = binary(seed, rows=600)
        for name, one in (("clusters", rows), ("rows", replace(rows, clusters=None))):
            found = {each.metric: each.verdict for each in compare_scores(replace(one, keys=None), 100, seed)}
            told[name] += found["log_loss"] != "no difference seen"
    assert told["clusters"] <= 7  # 3 are expected of 60
    assert told["rows"] >= 15  # what would be said of rows taken for independent


def test_few_clusters_with_a_positive_widen_the_interval() -> None:
    rows = binary(4, lift=0.5, rows=3000)
    few = rows.labels * (np.cumsum(rows.labels) <= 50)  # ten clusters of five rows
    widths = []
    for labels in (rows.labels, few):
        found = {one.metric: one for one in compare_scores(replace(rows, labels=labels, keys=None), 100)}
        draws = [
            bootstrap(of_order(labels, scores), draw_counts(3000, rows.clusters, 100))["auroc"]
            for scores in (rows.champion, rows.challenger)
        ]
        low, high = np.quantile(draws[1] - draws[0], [0.025, 0.975])
        widths.append((found["auroc"].high - found["auroc"].low) / (high - low))
    assert widths == pytest.approx([1.02, 1.22], abs=0.02)


def test_a_better_challenger_is_seen_and_pairs_see_more_than_each_alone() -> None:
    rows = binary(3, lift=0.9, rows=6000)
    found = {one.metric: one for one in compare_scores(rows)}
    assert {found[name].verdict for name in ("auroc", "average_precision", "log_loss")} == {"better"}
    assert found["auroc"].p is not None
    assert found["auroc"].p < 0.01
    assert found["log_loss"].difference is not None
    assert found["log_loss"].difference < 0


def test_what_is_undefined_says_so() -> None:
    rows = PairedRows("binary", np.zeros(10, dtype="int64"), np.full(10, 0.1), np.full(10, 0.2))
    found = {one.metric: one for one in compare_scores(rows, 20)}
    assert (found["auroc"].difference, found["auroc"].verdict, found["auroc"].p) == (None, "undefined", None)
    assert found["log_loss"].verdict == "worse"
    assert title_of("binary", "key_precision_at_k", 20) == "Key precision at 20, daily"
    assert Difference("mae", 1.0, 2.0, 1.0, 0.5, 1.5).gain == (-1.0, -1.5, -0.5)
