"""How many decisions an arm needs until a difference is found that is looked for after every hundred; `python -m benchmarks.experiment_sizes`.

Beside it: how many a test of fixed size needs for the same, which may be looked at once, and only at its end (two-sided z-test of
proportions, 5 %, power 90 %).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from commands.table import show_table
from serving.experiments.sequential import Moments, estimate_difference

RUNS, STEP, ALPHA, SHARPEST_AT = 1000, 100, 0.05, 2000
CASES = ((0.01, 0.02), (0.05, 0.05), (0.05, 0.055), (0.05, 0.06), (0.05, 0.1), (0.3, 0.33), (0.3, 0.4))
"""The rates of champion and challenger."""


def looked_at(rate: float, looks: int, generator: np.random.Generator) -> Moments:
    """Return an arm's moments at each look of each run, every unit with one decision."""
    happened = generator.binomial(STEP, rate, (RUNS, looks)).cumsum(axis=1).astype(np.float64)
    size = np.broadcast_to(np.arange(1, looks + 1) * float(STEP), happened.shape)
    mean = happened / size
    second = happened * (1 - mean) ** 2 + (size - happened) * mean**2
    fourth = happened * (1 - mean) ** 4 + (size - happened) * mean**4
    return Moments.of_sums(size, happened, happened, size, second, fourth)


def sizes_until_found(one: float, other: float, most: int) -> npt.NDArray[np.float64]:
    """Return the decisions an arm of each run at the first look that tells the arms apart; infinite if none does."""
    generator = np.random.default_rng(5)
    arms = [looked_at(rate, most // STEP, generator) for rate in (other, one)]
    found = estimate_difference(arms[0], arms[1], ALPHA, SHARPEST_AT)
    apart = (found.low > 0) | (found.high < 0)
    return np.where(apart.any(axis=1), (apart.argmax(axis=1) + 1.0) * STEP, np.inf)


def fixed_size(one: float, other: float) -> float:
    """Return the decisions an arm that a test of fixed size needs."""
    z = NormalDist().inv_cdf(1 - 0.05 / 2) + NormalDist().inv_cdf(0.9)
    return float(z**2 * (one * (1 - one) + other * (1 - other)) / (one - other) ** 2)


def main() -> None:
    """Print the table."""
    rows = []
    for one, other in CASES:
        fixed = fixed_size(one, other) if one != other else float("inf")
        most = 100_000 if one == other else int(fixed * 4)
        sizes = sizes_until_found(one, other, most)
        median, ninth = (float(np.quantile(sizes, share, method="higher")) for share in (0.5, 0.9))
        told = [f"{median:,.0f}", f"{ninth:,.0f}", f"{fixed:,.0f}", f"{median / fixed:.2f}x"]
        if one == other:
            told = [f"in {np.isfinite(sizes).mean():.1%} of runs up to {most:,}", "", "", ""]
        rows.append((f"{one:g} against {other:g}", *told))
    show_table(("rates", "half of runs", "9 of 10", "fixed size", "half against fixed"), rows)


if __name__ == "__main__":
    main()
