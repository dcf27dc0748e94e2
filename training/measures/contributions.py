"""What moves the model's answers: exact SHAP values of test rows, in the trees' own unit (for a class: log-odds).

Source: Lundberg et al., *From local explanations to global understanding with explainable AI for trees* (2020); XGBoost's
`pred_contribs`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]

ROWS = 2_000
"""Of so many rows values are computed: each costs a walk through every tree."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature's part in the answers.

    Attributes:
        name: Full feature name, `view__feature`.
        mean: Mean of the values' size over the rows.
        rises: Spearman's rank correlation of value and feature: near 1 where more of it raises the answer, near -1 where
            it lowers it; None where the feature or its part never changes.
    """

    name: str
    mean: float
    rises: float | None


@dataclass(frozen=True, slots=True)
class Contributions:
    """Values of some rows.

    Attributes:
        names: The features.
        values: Shape (rows, features).
        matrix: The features themselves, shape (rows, features), NaN where missing.
    """

    names: tuple[str, ...]
    values: Floats
    matrix: Floats

    def ranked(self) -> list[Contribution]:
        """Return the features by falling mean size."""
        sizes = np.abs(self.values).mean(axis=0) if len(self.values) else np.zeros(len(self.names))
        return [
            Contribution(self.names[at], float(sizes[at]), _rank_correlation(self.matrix[:, at], self.values[:, at]))
            for at in np.argsort(-sizes, kind="stable")
        ]


def explain(
    booster: xgb.Booster, matrix: Floats, names: tuple[str, ...], scores: Floats, seed: int = 7
) -> Contributions:
    """Return the values of the highest-scored rows and as many others, at most `ROWS` in all.

    Args:
        booster: The fitted trees.
        matrix: Shape (rows, features).
        names: The features, in the matrix's order.
        scores: Shape (rows,); where positives are rare, rows drawn evenly would show nothing of them.
        seed: For the others.
    """
    high = np.argsort(-scores, kind="stable")[: ROWS // 2]
    others = np.setdiff1d(np.arange(len(scores)), high)
    drawn = np.random.default_rng(seed).choice(others, min(len(others), ROWS - len(high)), replace=False)
    rows = np.sort(np.concatenate([high, drawn]).astype(np.int64))
    if not len(rows):
        return Contributions(names, np.zeros((0, len(names))), matrix[rows])
    asked = xgb.DMatrix(matrix[rows], feature_names=list(names))
    return Contributions(names, booster.predict(asked, pred_contribs=True)[:, :-1].astype("float64"), matrix[rows])


def _rank_correlation(column: Floats, values: Floats) -> float | None:
    there = ~np.isnan(column)
    if there.sum() < 3 or np.ptp(column[there]) == 0 or np.ptp(values[there]) == 0:
        return None
    return float(np.corrcoef(rankdata(column[there]), rankdata(values[there]))[0, 1])
