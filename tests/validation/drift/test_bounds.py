"""Days without drift stay within the bounds, and drift does not; both by counting many simulated days."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from contract.reference import RowDays, column_reference
from validation.drift.bounds import FEWEST_DAYS, Bounded, bounded_measures, noise_of
from validation.drift.measures import jensen_shannon, kolmogorov_smirnov, missing_share, psi

ROWS, DAYS = 800, 14
Draw = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]


def amounts(random: np.random.Generator, rows: int) -> npt.NDArray[np.float64]:
    """Draw amounts with a long tail, some missing; each day is a little dearer or cheaper."""
    values = np.exp(random.normal(random.normal(3, 0.05), 1, rows))
    values[random.random(rows) < 0.1] = np.nan
    return values


def counts(random: np.random.Generator, rows: int) -> npt.NDArray[np.float64]:
    return random.poisson(2, rows).astype(float)


def measured(
    random: np.random.Generator, draw: Draw, served: npt.NDArray[np.float64], days: int = DAYS, alpha: float = 1e-4
) -> dict[str, Bounded]:
    values = np.concatenate([draw(random, ROWS) for _ in range(days)])
    numbers = np.repeat(np.arange(days), ROWS)
    reference = column_reference("one", values, RowDays.of(numbers.astype("datetime64[D]"), numbers >= 7))
    return bounded_measures(noise_of(reference.array(), reference.trained), reference.count(served), alpha)


@pytest.mark.parametrize("draw", [amounts, counts])
def test_days_without_drift_do_not_alarm(draw: Draw) -> None:
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(150):
        found = measured(random, draw, draw(random, ROWS), alpha=1e-3)
        alarms += any(one.is_alert for one in found.values())
    assert alarms <= 2  # 0.45 are to be expected at most


PLANTED = {
    "cents for euros": lambda values: values * 100,
    "constant": lambda values: np.full_like(values, 20.0),
    "missing": lambda values: np.where(np.arange(len(values)) % 4 == 0, np.nan, values),
    "twice as dear": lambda values: values * 2,
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_drift_is_found(fault: str) -> None:
    random = np.random.default_rng(5)
    found = [measured(random, amounts, PLANTED[fault](amounts(random, ROWS))) for _ in range(10)]
    assert all(any(one.is_alert for one in day.values()) for day in found)
    if fault == "missing":
        assert all(day["missing"].is_alert for day in found)


def test_what_is_enough_for_many_rows_is_not_for_few() -> None:
    random = np.random.default_rng(6)
    bounds = []
    for rows in (50, 500, 5000):
        bounds.append(measured(np.random.default_rng(7), counts, counts(random, rows))["psi"].bound)
    assert bounds[0] > 5 * bounds[1] > 5 * bounds[2]


def test_days_that_differ_widen_the_bound_and_few_of_them_give_none() -> None:
    def restless(random: np.random.Generator, rows: int) -> npt.NDArray[np.float64]:
        return random.normal(random.normal(0, 0.5), 1, rows)

    def calm(random: np.random.Generator, rows: int) -> npt.NDArray[np.float64]:
        return random.normal(0, 1, rows)

    wide, narrow = (
        measured(np.random.default_rng(8), draw, np.random.default_rng(9).normal(0, 1, ROWS))["ks"].bound
        for draw in (restless, calm)
    )
    assert wide > 4 * narrow
    few = measured(np.random.default_rng(8), calm, np.full(ROWS, 99.0), days=FEWEST_DAYS - 1)
    assert [one.bound for one in few.values()] == [float("inf")] * 3


def test_measures_are_what_their_formulas_say() -> None:
    p, q = np.array([600, 300, 100]), np.array([300, 600, 100])
    assert psi(p, q) == pytest.approx(2 * 0.3 * np.log(2), rel=0.01)
    assert kolmogorov_smirnov(p, q) == pytest.approx(600 / 900 - 300 / 900)
    assert missing_share(q) == 0.1
    middle = (p + q) / 2000
    expected = (p / 1000 * np.log2(p / 1000 / middle) + q / 1000 * np.log2(q / 1000 / middle)).sum() / 2
    assert jensen_shannon(p, q) == pytest.approx(expected, rel=0.01)
    assert jensen_shannon(np.array([10**6, 0, 0]), np.array([0, 10**6, 0])) == pytest.approx(1, abs=0.001)
    assert [measure(p, p) for measure in (psi, kolmogorov_smirnov, jensen_shannon)] == pytest.approx(
        [0, 0, 0], abs=1e-6
    )
    assert np.isfinite(psi(np.array([1000, 0, 0]), np.array([0, 50, 0])))
