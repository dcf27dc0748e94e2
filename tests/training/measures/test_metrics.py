"""Every metric agrees with scikit-learn or a count by hand, and says why when it is undefined."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from training.measures.metrics import MEANING, best_f1_threshold, chance, measure

#                  score  .9 .8 .7 .6 .5 .4 .3 .2
LABELS = np.array([1, 0, 1, 0, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])


def test_metrics_at_a_threshold_are_those_counted_by_hand() -> None:
    found = measure(LABELS, SCORES, threshold=0.7, k=2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.precision_at_k == pytest.approx(1 / 2)


def test_ranking_metrics_are_those_counted_by_hand() -> None:
    found = measure(LABELS, SCORES, threshold=0.5, k=2)
    # Of 3 x 5 pairs, .9 wins 5, .7 wins 4 and .4 wins 2.
    assert found.auroc == pytest.approx(11 / 15)
    assert found.average_precision == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    gained = sum(1 / math.log2(rank + 1) for rank in (1, 3, 6))
    assert found.ndcg == pytest.approx(gained / sum(1 / math.log2(rank + 1) for rank in (1, 2, 3)))


def test_metrics_agree_with_scikit_learn_on_random_scores_with_ties() -> None:
    random = np.random.default_rng(3)
    labels, scores = random.integers(0, 2, 500), random.integers(1, 20, 500) / 20
    found = measure(labels, scores, threshold=0.5)
    assert found.auroc == pytest.approx(sk.roc_auc_score(labels, scores))
    assert found.average_precision == pytest.approx(sk.average_precision_score(labels, scores))
    assert found.log_loss == pytest.approx(sk.log_loss(labels, scores))
    assert found.f1 == pytest.approx(sk.f1_score(labels, scores >= 0.5))


@pytest.mark.parametrize(
    ("labels", "undefined", "reason"),
    [
        pytest.param([0] * 8, "auroc", "no positive among 8 rows", id="no positive"),
        pytest.param([0] * 8, "average_precision", "no positive among 8 rows", id="no positive to average"),
        pytest.param([0] * 8, "ndcg", "no positive among 8 rows", id="no positive to rank"),
        pytest.param([1] * 8, "auroc", "no negative among 8 rows", id="no negative"),
        pytest.param([], "log_loss", "no rows", id="no rows"),
        pytest.param([1, 0], "precision_at_k", "2 rows are fewer than k = 5", id="fewer rows than k"),
        pytest.param([1, 0], "key_precision_at_k", "the service names no key", id="no key"),
    ],
)
def test_undefined_metric_is_none_with_its_reason(labels: list[int], undefined: str, reason: str) -> None:
    found = measure(np.array(labels, dtype="int64"), SCORES[: len(labels)], threshold=0.5, k=5)
    assert getattr(found, undefined) is None
    assert reason in dict(found.reasons)[undefined]


def test_no_alert_leaves_precision_undefined_and_recall_zero() -> None:
    found = measure(LABELS, SCORES, threshold=0.99)
    assert (found.precision, found.recall) == (None, 0.0)
    assert "no row is scored at or above 0.99" in dict(found.reasons)["precision"]


def test_metrics_survive_json() -> None:
    found = measure(LABELS, SCORES, threshold=0.5, key_precision=0.25)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert set(MEANING) <= set(found.to_dict())


def test_chance_is_the_share_of_positives_and_half() -> None:
    baseline = chance(measure(LABELS, SCORES, threshold=0.5))
    assert (baseline["auroc"], baseline["average_precision"]) == (0.5, 3 / 8)
    assert baseline["log_loss"] == pytest.approx(sk.log_loss(LABELS, np.full(8, 3 / 8)))


def test_best_threshold_has_the_highest_f1_of_all_scores() -> None:
    scores = SCORES.copy()
    threshold = best_f1_threshold(LABELS, scores)
    assert threshold is not None
    best = max(sk.f1_score(LABELS, scores >= score) for score in scores)
    assert sk.f1_score(LABELS, scores >= threshold) == best


def test_no_positive_gives_no_threshold() -> None:
    assert best_f1_threshold(np.zeros(3, dtype="int64"), SCORES[:3]) is None
