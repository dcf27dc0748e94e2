"""What a decision costs: a table of two prices, in the unit of the user's money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.errors import TrainingError

Floats = npt.NDArray[np.float64]

EXAMPLE = "missed=amount alert=5"


@dataclass(frozen=True, slots=True)
class Costs:
    """The prices of a binary decision.

    Attributes:
        missed: What a positive costs that is no alert: a column of the label events, or a number.
        alert: What each alert costs, right or wrong: a number.
    """

    missed: str | float
    alert: float

    @classmethod
    def parse(cls, text: str) -> Costs:
        """Read such as `missed=amount alert=5`.

        >>> Costs.parse("missed=amount alert=5")
        Costs(missed='amount', alert=5.0)

        Raises:
            TrainingError: It is something else.
        """
        given = dict(part.split("=", 1) for part in text.replace(",", " ").split() if "=" in part)
        try:
            if set(given) != {"missed", "alert"}:
                raise ValueError(text)
            alert = float(given["alert"])
            if not 0 <= alert < float("inf"):
                raise ValueError(text)
        except ValueError:
            raise TrainingError(
                f"costs {text!r} are not understood; write such as {EXAMPLE}: what a missed positive costs (a column of the"
                " label events, or a number), and what an alert costs (a number)."
            ) from None
        missed = given["missed"]
        return cls(float(missed) if missed.replace(".", "", 1).isdigit() else missed, alert)

    def of_missing(self, frame: pd.DataFrame, labels: npt.NDArray[np.int64]) -> Floats:
        """Return what each row costs that is no alert, shape (rows,).

        Raises:
            TrainingError: The column is not there, or holds something else than numbers.
        """
        if isinstance(self.missed, float):
            return np.asarray(labels * self.missed, dtype="float64")
        if self.missed not in frame or not pd.api.types.is_numeric_dtype(frame[self.missed]):
            numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
            raise TrainingError(
                f"costs: a missed positive costs column {self.missed!r}, which is no column of numbers here; use one of"
                f" {', '.join(numbers)}, or a number."
            )
        prices = frame[self.missed].to_numpy("float64", na_value=0.0)
        return np.where(labels == 1, np.nan_to_num(prices), 0.0)

    def of_rows(self, missing: Floats, scores: Floats, threshold: float) -> Floats:
        """Return what each row costs with alerts from `threshold` on, of what it costs without; shape (rows,)."""
        return np.where(scores >= threshold, self.alert, missing)

    def best_threshold(self, missing: Floats, scores: Floats) -> float | None:
        """Return the score from which on alerts cost least; None where no alert at all costs least.

        >>> Costs(10.0, 1.0).best_threshold(np.array([0.0, 10.0, 0.0]), np.array([0.1, 0.8, 0.9]))
        0.8
        """
        order = np.argsort(-scores, kind="stable")
        saved = np.cumsum(missing[order] - self.alert)
        last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # of each run of equal scores
        if not len(last) or saved[last].max() <= 0:
            return None
        return float(scores[order][last[int(np.argmax(saved[last]))]])


def columns_of(costs: Costs | None) -> Sequence[str]:
    """Return the columns that prices come from."""
    return [costs.missed] if costs is not None and isinstance(costs.missed, str) else []
