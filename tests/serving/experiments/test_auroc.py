"""The area under the ROC curve and its variance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serving.experiments.auroc import auroc_moments


def drawn(size: int, units: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores in steps, so that some are equal, what happened, and units that lean one way."""
    unit = np.sort(generator.integers(units, size=size))
    lean = generator.normal(size=units)[unit]
    happened = generator.random(size) < 0.3
    return np.round(lean + happened + generator.normal(size=size), 1), happened, unit


def test_area_is_that_of_scikit_learn() -> None:
    scores, happened, unit = drawn(500, 500, np.random.default_rng(1))
    assert float(auroc_moments(scores, happened, unit).mean) == pytest.approx(roc_auc_score(happened, scores))


@pytest.mark.parametrize("units", [300, 60])
def test_variance_is_that_of_areas_drawn_again_and_again(units: int) -> None:
    """Also where the decisions of one unit resemble each other."""
    generator = np.random.default_rng(2)
    made = [auroc_moments(*drawn(300, units, generator)) for _ in range(400)]
    seen = float(np.var([float(one.mean) for one in made]))
    said = float(np.mean([float(one.variance) for one in made]))
    assert said == pytest.approx(seen, rel=0.2)


@pytest.mark.parametrize("happened", [True, False])
def test_without_both_outcomes_there_is_no_area(happened: bool) -> None:
    found = auroc_moments(np.array([0.1, 0.2]), np.array([happened] * 2), np.arange(2))
    assert np.isnan(found.mean)
    assert float(found.carrying) == 0
