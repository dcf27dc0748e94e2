"""What decisions cost, and the threshold at which they cost least."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.errors import TrainingError
from training.measures.alerts import alert_table
from training.measures.bootstrap import draw_counts
from training.measures.costs import Costs

FRAME = pd.DataFrame({"amount": [10.0, 200.0, 30.0, 4.0], "country": list("abab")})
LABELS, SCORES = np.array([1, 1, 0, 1]), np.array([0.9, 0.6, 0.7, 0.2])
COSTS = Costs.parse("missed=amount alert=5")


def test_a_missed_positive_costs_its_amount_and_an_alert_its_review() -> None:
    missing = COSTS.of_missing(FRAME, LABELS)
    assert missing.tolist() == [10, 200, 0, 4]
    assert COSTS.of_rows(missing, SCORES, 0.65).tolist() == [5, 200, 5, 4]
    assert Costs.parse("missed=50, alert=5").of_missing(FRAME, LABELS).tolist() == [50, 50, 0, 50]


def test_best_threshold_costs_least_of_all_scores_with_ties_taken_together() -> None:
    random = np.random.default_rng(1)
    labels, scores = (random.random(300) < 0.2).astype("int64"), random.integers(0, 30, 300) / 30
    missing = COSTS.of_missing(pd.DataFrame({"amount": random.uniform(0, 100, 300)}), labels)
    best = COSTS.best_threshold(missing, scores)
    assert best is not None
    each = [COSTS.of_rows(missing, scores, at).sum() for at in np.unique(scores)]
    assert COSTS.of_rows(missing, scores, best).sum() == pytest.approx(min(each))


def test_where_reviews_cost_more_than_they_save_there_is_no_threshold() -> None:
    assert Costs(1.0, 5.0).best_threshold(LABELS * 1.0, SCORES) is None


@pytest.mark.parametrize(
    "text", ["", "missed=amount", "missed=amount alert=many", "missed=1 alert=1 other=2", "missed=1 alert=-1"]
)
def test_costs_that_are_not_understood_say_what_to_write(text: str) -> None:
    with pytest.raises(TrainingError, match="write such as missed=amount alert=5"):
        Costs.parse(text)


def test_column_that_is_no_number_is_refused_with_those_that_are() -> None:
    with pytest.raises(TrainingError, match=r"column 'country', which is no column of numbers here; use one of amount"):
        Costs("country", 1.0).of_missing(FRAME, LABELS)


def test_table_of_thresholds_holds_the_chosen_one_and_round_shares_of_alerts() -> None:
    random = np.random.default_rng(1)
    labels, scores = (random.random(2000) < 0.1).astype("int64"), random.random(2000)
    missing = labels * 20.0
    table = alert_table(
        labels, scores, 0.5, draw_counts(2000, resamples=40), Costs(20.0, 1.0), missing, shares=(0.01, 0.1)
    )
    assert [round(row.alerts, 2) for row in table] == [0.01, 0.1, round(float((scores >= 0.5).mean()), 2)]
    value, bounds = table[-1].measured["cost"]
    assert value == pytest.approx(np.where(scores >= 0.5, 1.0, missing).mean())
    assert bounds is not None
    assert bounds[0] < value < bounds[1]
