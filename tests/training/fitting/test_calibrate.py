"""The curve that made the scores wrong is found again, the simplest that is good is taken, and few rows leave scores alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from contract.calibration import Calibration
from training.fitting.calibrate import calibrate, fit_beta, fit_platt

ROWS = 20_000


def drawn(true: Calibration) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return labels that come true as often as `true` says of their scores."""
    random = np.random.default_rng(4)
    scores = random.beta(0.5, 3, ROWS)
    return (random.random(ROWS) < true.apply(scores)).astype("int64"), scores


@pytest.mark.parametrize(
    ("true", "kind"),
    [(Calibration(1, 1, 0), None), (Calibration(0.6, 0.6, -1), "platt"), (Calibration(0.4, 2.5, -1), "beta")],
    ids=["right already", "one slope", "two slopes"],
)
def test_simplest_good_curve_is_found(true: Calibration, kind: str | None) -> None:
    labels, scores = drawn(true)
    found = calibrate(labels, scores)
    assert (found.calibration.kind if found.calibration else None) == kind
    assert found.said.startswith(f"{kind or 'none'}; log loss")
    if found.calibration:
        at = np.linspace(0.05, 0.9, 10)
        np.testing.assert_allclose(found.calibration.apply(at), true.apply(at), atol=0.05)


def test_platt_is_logistic_regression_on_the_logit() -> None:
    from sklearn.linear_model import LogisticRegression

    labels, scores = drawn(Calibration(0.6, 0.6, -1))
    peer = LogisticRegression(C=1e9).fit(np.log(scores / (1 - scores))[:, None], labels)
    found = fit_platt(labels.astype("float64"), scores)
    assert (found.a, found.c) == pytest.approx((peer.coef_[0, 0], peer.intercept_[0]), abs=1e-3)


def test_scores_at_the_ends_and_a_score_that_runs_the_wrong_way_give_a_rising_curve() -> None:
    labels, scores = drawn(Calibration(1, 1, 0))
    scores[:100], scores[100:200] = 0.0, 1.0
    assert fit_beta(labels.astype("float64"), scores).a > 0
    assert fit_platt(labels.astype("float64"), 1 - scores).a > 0


def test_few_positives_leave_scores_as_they_are() -> None:
    labels = np.zeros(200, dtype="int64")
    labels[::20] = 1
    found = calibrate(labels, np.full(200, 0.3))
    assert found.calibration is None
    assert "fewer than 20 positives" in found.said
