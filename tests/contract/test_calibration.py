"""A calibration rises, keeps its order in the type that serving has, and says itself what it is."""

from __future__ import annotations

import numpy as np
import pytest

from contract.calibration import Calibration, CalibrationError


@pytest.mark.parametrize("curve", [Calibration(0.4, 0.4, -2.0), Calibration(2.5, 0.3, 1.0)], ids=["platt", "beta"])
def test_order_and_ends_stay(curve: Calibration) -> None:
    scores = np.sort(np.random.default_rng(2).random(5000, dtype=np.float32))
    made = curve.apply(np.concatenate([[np.float32(0)], scores, [np.float32(1)]]))
    assert made.dtype == np.float32
    assert (np.diff(made) >= 0).all()
    assert (made[0], made[-1]) == (0, 1)
    assert len(np.unique(made)) > 0.99 * len(np.unique(scores))


def test_it_reads_what_it_wrote() -> None:
    curve = Calibration(0.1 + 0.2, 1.5, -3.25)
    assert Calibration.from_json(curve.to_json()) == curve
    assert (curve.kind, Calibration(2.0, 2.0, 0.0).kind) == ("beta", "platt")


@pytest.mark.parametrize(
    "text", ["", "{}", '{"a": 1, "b": "x", "c": 0}', '{"a": -1, "b": 1, "c": 0}', '{"a": NaN, "b": 1, "c": 0}']
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(CalibrationError, match="train again"):
        Calibration.from_json(text)
