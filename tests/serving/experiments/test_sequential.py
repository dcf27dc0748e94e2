"""The sequential intervals, held against many simulated experiments that are looked at all the time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest

from serving.experiments.sequential import Estimate, Moments, estimate_difference, estimate_mean

ALPHA, SHARPEST_AT = 0.05, 1000
RUNS, LOOKS, STEP = 500, 60, 50
"""Simulated experiments, looks at each, and new units of the smaller arm between two looks."""

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], dict[tuple[int, int], Floats]]
"""Draws so many units between each two looks; gives, by (i, j), the sum over them of total^i decisions^j, shape (RUNS, LOOKS)."""

POWERS = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))


def events(rate: float, decisions: int = 1) -> Draw:
    """Units with decisions that are 1 at a rate; of one unit, all alike."""

    def draw(generator: np.random.Generator, units: int) -> dict[tuple[int, int], Floats]:
        happened = generator.binomial(units, rate, (RUNS, LOOKS)).astype(np.float64)
        all_units = np.full((RUNS, LOOKS), float(units))
        return {(i, j): (happened if i else all_units) * float(decisions) ** (i + j) for i, j in POWERS}

    return draw


def amounts(share: float) -> Draw:
    """Log-normal amounts of some units, 0 of the others: a mean that a few large values make."""

    def draw(generator: np.random.Generator, units: int) -> dict[tuple[int, int], Floats]:
        shape = (RUNS, LOOKS, units)
        amount = np.exp(generator.standard_normal(shape, dtype=np.float32))
        amount *= generator.random(shape, dtype=np.float32) < share
        power = {0: np.full(shape[:2], float(units))}
        for i in (1, 2, 3, 4):
            power[i] = (amount if i == 1 else amount**i).sum(axis=2, dtype=np.float64)
        return {(i, j): power[i] for i, j in POWERS}

    return draw


def looked_at(draw: Draw, generator: np.random.Generator, times: int = 1, decisions: int = 1) -> Moments:
    """Return an arm's moments at every look of every run, shape (RUNS, LOOKS).

    It gets `times` as many units as the smaller arm has, each with so many decisions, which are all 0 or 1 if they are several.
    """
    p = {of: np.cumsum(sums, axis=1) for of, sums in draw(generator, STEP * times).items()}
    n, s = p[0, 1], p[1, 0]
    mean = s / n
    # The deviations' sums at every look, by the binomial theorem: the mean is another at each.
    second = p[2, 0] - 2 * mean * p[1, 1] + mean**2 * p[0, 2]
    fourth = p[4, 0] - 4 * mean * p[3, 1] + 6 * mean**2 * p[2, 2] - 4 * mean**3 * p[1, 3] + mean**4 * p[0, 4]
    squares = p[2, 0] if decisions == 1 else s
    return Moments.of_sums(n, s, squares, n / decisions, second, fourth)


@lru_cache
def difference(champion: Draw, challenger: Draw, times: int, decisions: int = 1) -> Estimate:
    generator = np.random.default_rng(8)
    arms = looked_at(challenger, generator, 1, decisions), looked_at(champion, generator, times, decisions)
    return estimate_difference(*arms, ALPHA, SHARPEST_AT)


def share_of_runs(events_at_looks: npt.NDArray[np.bool_]) -> float:
    """Return in which share of the runs it happened at some look."""
    return float(events_at_looks.any(axis=1).mean())


A_A = {
    "even": (events(0.5), 1, 1),
    "few_in_the_challenger": (events(0.2), 4, 1),
    "rare": (events(0.01), 4, 1),
    "nearly_all": (events(0.97), 4, 1),
    "amounts": (amounts(0.2), 1, 1),
    "units_that_come_again": (events(0.3, decisions=5), 2, 5),
}


@pytest.mark.parametrize("name", A_A)
def test_a_against_a_alarms_no_more_often_than_stated_though_it_is_always_looked_at(name: str) -> None:
    arm, times, decisions = A_A[name]
    found = difference(arm, arm, times, decisions)
    assert np.isfinite(found.reach).any(axis=1).mean() > 0.8  # something was said
    assert share_of_runs((found.low > 0) | (found.high < 0)) <= ALPHA


def test_an_interval_of_fixed_size_would_alarm_far_more_often() -> None:
    """The simulation can fail: what is usual is wrong in it."""
    generator = np.random.default_rng(8)
    one, other = (looked_at(events(0.2), generator) for _ in range(2))
    z = (one.mean - other.mean) / np.sqrt(one.variance + other.variance)
    assert share_of_runs(np.abs(z) > 1.96) > 4 * ALPHA


def test_decisions_taken_for_independent_would_alarm_more_often() -> None:
    generator = np.random.default_rng(8)
    arms = [looked_at(events(0.3, decisions=5), generator, decisions=5) for _ in range(2)]
    alike = [Moments(a.mean, a.variance / 5, a.spread, a.units * 5, a.carrying * 5) for a in arms]
    found = estimate_difference(alike[0], alike[1], ALPHA, SHARPEST_AT)
    assert share_of_runs((found.low > 0) | (found.high < 0)) > 2 * ALPHA


@pytest.mark.parametrize(
    ("champion", "challenger", "times"),
    [
        pytest.param(events(0.2), events(0.28), 1, id="rate"),
        pytest.param(events(0.01), events(0.05), 4, id="rare_event"),
        pytest.param(events(0.95), events(0.0), 4, id="an_arm_in_which_nothing_varies"),
        pytest.param(events(0.0), events(1.0), 1, id="two_arms_in_which_nothing_varies"),
        pytest.param(amounts(0.2), amounts(0.4), 2, id="amounts"),
    ],
)
def test_a_real_effect_is_found(champion: Draw, challenger: Draw, times: int) -> None:
    found = difference(champion, challenger, times)
    right, wrong = (found.low > 0, found.high < 0) if found.value.mean() > 0 else (found.high < 0, found.low > 0)
    assert share_of_runs(right) > 0.9
    assert share_of_runs(wrong) <= ALPHA / 2


@pytest.mark.parametrize(("rate", "other"), [(0.2, 0.25), (0.02, 0.03)])
def test_the_truth_is_in_the_interval_at_all_looks_together(rate: float, other: float) -> None:
    found = difference(events(rate), events(other), 2)
    missed = (found.low > other - rate) | (found.high < other - rate)
    assert share_of_runs(missed) <= ALPHA


@pytest.mark.parametrize(
    ("draw", "mean"), [(events(0.2), 0.2), (events(0.01), 0.01), (amounts(0.2), 0.2 * np.exp(0.5))]
)
def test_one_mean_is_in_its_interval_at_all_looks_together(draw: Draw, mean: float) -> None:
    found = estimate_mean(looked_at(draw, np.random.default_rng(8)), ALPHA, SHARPEST_AT)
    assert share_of_runs(np.abs(found.value - mean) > found.reach) <= ALPHA


def test_intervals_are_sharpest_where_it_was_asked() -> None:
    sizes = np.array([100.0, 1000.0, 10000.0])
    one = Moments(np.full(3, 0.5), 0.25 / sizes, np.full(3, 0.25), sizes, sizes)
    in_errors = {at: estimate_mean(one, ALPHA, at).reach / np.sqrt(one.variance) for at in (100, 1000, 10000)}
    assert [int(np.argmin([in_errors[at][i] for at in in_errors])) for i in range(3)] == [0, 1, 2]
    assert [int(np.argmin(in_errors[at])) for at in in_errors] == [0, 1, 2]


def test_nothing_is_said_of_what_never_varied() -> None:
    same = Moments.of_sums([1000.0], [1000.0], [1000.0], [1000.0], [0.0], [0.0])
    none = Moments.of_sums([0.0], [0.0], [0.0], [0.0], [0.0], [0.0])
    for one in (same, none):
        assert np.isinf(estimate_mean(one, ALPHA, 1000).reach).all()
        assert np.isinf(estimate_difference(one, same, ALPHA, 1000).reach).all()
        assert np.isinf(estimate_difference(same, one, ALPHA, 1000).reach).all()
