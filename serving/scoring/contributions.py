"""Says how much each feature moved a score: exact SHAP values of the trees, by XGBoost itself.

Lundberg and others, "Consistent individualized feature attribution for tree ensembles", 2018. The contributions of a row and
the base add up to the margin: the score before calibration and logistic function where a service is binary, else the score itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.scoring.scorer import Scored


@dataclass(frozen=True, slots=True)
class Contributions:
    """What moved one score.

    Attributes:
        base: The margin of a row of which nothing is known.
        features: Each feature that moved it with how much, the strongest first.
    """

    base: float
    features: Sequence[tuple[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "base": self.base,
            "features": [{"feature": name, "contribution": value} for name, value in self.features],
        }


def contributions_of(scored: Scored, rows: Sequence[int]) -> list[Contributions]:
    """Return what moved the scores of some rows, each by the model that scored it. Takes milliseconds; not for the event loop."""
    import xgboost as xgb

    found: dict[int, Contributions] = {}
    for alias in dict.fromkeys(scored.arm_of(row) for row in rows):
        file = scored.setup.arms.models[alias].file
        mine = [row for row in rows if scored.arm_of(row) == alias]
        matrix = xgb.DMatrix(scored.features.matrix(file.columns)[mine])
        shares = file.booster.predict(matrix, pred_contribs=True, validate_features=False)
        for row, line in zip(mine, shares, strict=True):
            order = np.argsort(-np.abs(line[:-1]), kind="stable")
            moved = [(file.columns[one], float(line[one])) for one in order if line[one] != 0]
            found[row] = Contributions(float(line[-1]), moved)
    return [found[row] for row in rows]
