"""The threshold explorer's facts are the rows counted, at every threshold it knows."""

from __future__ import annotations

import numpy as np
import pytest

from training.reports.explorer import POINTS, explorer_facts


def test_each_threshold_counts_the_rows_at_or_above_it() -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, 500, 5_000) / 500  # many are equal
    labels = (random.random(5_000) < scores * 0.1).astype(int)
    missing = labels * random.integers(1, 90, 5_000).astype(float)
    facts = explorer_facts(labels, scores, 7, 0.9, missing, 2.0)
    assert facts is not None
    assert facts["thresholds"] == sorted(set(facts["thresholds"]), reverse=True)
    for threshold, alerts, hits, saved in zip(
        facts["thresholds"], facts["alerts"], facts["hits"], facts["saved"], strict=True
    ):
        above = scores >= threshold - 1e-9
        assert (alerts, hits) == (above.sum(), labels[above].sum())
        assert saved == pytest.approx(missing[above].sum())
    assert facts["thresholds"][facts["chosen"]] == 0.9
    assert (facts["rows"], facts["positives"], facts["total"]) == (5_000, labels.sum(), missing.sum())
    assert (facts["days"], facts["priced"], facts["alert"]) == (7, True, 2.0)


def test_few_points_say_what_many_rows_do() -> None:
    scores = np.random.default_rng(3).random(100_000)
    facts = explorer_facts((scores > 0.99).astype(int), scores, 7, 0.5)
    assert facts is not None
    assert len(facts["thresholds"]) <= POINTS + 2
    assert facts["alerts"][:3] == [1, 2, 3], "where alerts are rare, each counts"
    assert facts["alerts"][-1] == 100_000
    assert facts["total"] == facts["positives"]


def test_threshold_between_scores_is_the_next_higher_one() -> None:
    facts = explorer_facts(np.array([1, 0, 0]), np.array([0.9, 0.5, 0.1]), 1, 0.6)
    assert facts is not None
    assert facts["thresholds"][facts["chosen"]] == 0.9
    above_all = explorer_facts(np.array([1, 0, 0]), np.array([0.9, 0.5, 0.1]), 1, 0.95)
    assert above_all is not None
    assert above_all["chosen"] is None


def test_rows_of_one_class_have_nothing_to_explore() -> None:
    assert explorer_facts(np.zeros(3, int), np.array([0.9, 0.5, 0.1]), 1, 0.6) is None
