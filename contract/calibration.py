"""What makes a model's scores probabilities: a rising curve that keeps their order, with three numbers at most.

`logit p = a * ln(s) - b * ln(1 - s) + c` with a and b above 0. Platt's scaling has one slope, a = b; beta calibration has two (Kull,
Silva Filho and Flach, *Beta calibration*, 2017). Steps, as isotonic regression makes them, would give different scores one value.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


class CalibrationError(ValueError):
    """A calibration that is not one."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration of scores in [0, 1].

    Attributes:
        a: The slope at low scores.
        b: The slope at high scores.
        c: What is added.

    Raises:
        CalibrationError: A slope is not above 0, so that the order would not be kept, or a number is not finite.
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        """Refuse what does not rise."""
        if not (self.a > 0 and self.b > 0 and np.isfinite([self.a, self.b, self.c]).all()):
            raise CalibrationError(
                f"calibration {self.a:g}, {self.b:g}, {self.c:g}: slopes are above 0 and all finite, or the order of scores"
                " would not be kept; train again."
            )

    @property
    def kind(self) -> str:
        """Return `platt` or `beta`."""
        return "platt" if self.a == self.b else "beta"

    def apply(self, scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the probabilities of scores, in their shape and type; 0 stays 0 and 1 stays 1.

        >>> Calibration(1.0, 1.0, 0.0).apply(np.array([0.0, 0.25, 1.0]))
        array([0.  , 0.25, 1.  ])
        """
        given = scores.astype(np.float64)
        with np.errstate(divide="ignore", over="ignore"):
            logit = self.a * np.log(given) - self.b * np.log1p(-given) + self.c
            found: npt.NDArray[Any] = (1 / (1 + np.exp(-logit))).astype(scores.dtype)
        return found

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises:
            CalibrationError: It is something else.
        """
        try:
            said = json.loads(text)
            return cls(float(said["a"]), float(said["b"]), float(said["c"]))
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, CalibrationError):
                raise
            raise CalibrationError(f"calibration {text!r} is not one; train again.") from None
