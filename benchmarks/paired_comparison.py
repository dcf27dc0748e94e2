"""How often two equal models are called better or worse, by three kinds of interval; 5 % are meant.

    python -m benchmarks.paired_comparison [--runs 400]

3,000 rows of 300 keys, few of which have a positive; both models see the same signal, each through noise of its own that a key's
rows share in part.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from training.measures.bootstrap import bootstrap, draw_counts, interval, point
from training.measures.delong import compare_auroc
from training.measures.paired import PairedRows, expand
from training.measures.statistics import of_order

KEYS, EACH = 300, 10
METRICS = ("average_precision", "auroc")


def draw_world(positives: int, seed: int) -> PairedRows:
    """Draw rows of which `positives` keys have a positive, and two equal models."""
    random = np.random.default_rng(seed)
    keys = np.repeat(np.arange(KEYS), EACH)
    marked = np.isin(keys, random.choice(KEYS, positives, replace=False))
    labels = (marked & (random.uniform(size=len(keys)) < 0.25)).astype("int64")
    labels[np.flatnonzero(marked)[0]] = 1
    signal = 2.0 * labels + random.normal(0, 1, len(keys)) + random.normal(0, 0.5, KEYS)[keys]
    noise = [0.5 * random.normal(0, 1, KEYS)[keys] + 0.7 * random.normal(0, 1, len(keys)) for _ in range(2)]
    champion, challenger = (1 / (1 + np.exp(4 - signal - one)) for one in noise)
    return PairedRows("binary", labels, champion, challenger, keys)


def called(rows: PairedRows, seed: int) -> dict[tuple[str, str], bool]:
    """Say by metric and kind of interval whether a difference is called."""
    found: dict[tuple[str, str], bool] = {}
    units = len(np.unique(rows.clusters[rows.labels > 0])) if rows.clusters is not None else 0
    for kind, one in (("rows", replace(rows, clusters=None)), ("keys", rows)):
        counts = draw_counts(len(one.labels), one.clusters, 200, seed)
        statistics = [of_order(one.labels, scores) for scores in (one.champion, one.challenger)]
        draws = [bootstrap(statistic, counts) for statistic in statistics]
        points = [point(statistic, len(one.labels)) for statistic in statistics]
        for metric in METRICS:
            bounds = interval(draws[1][metric] - draws[0][metric])
            if bounds is None:
                continue
            wide = expand(bounds, points[1][metric] - points[0][metric], units)
            found[metric, kind] = bounds[0] > 0 or bounds[1] < 0
            if kind == "keys":
                found[metric, "keys, widened"] = wide[0] > 0 or wide[1] < 0
    delong = compare_auroc(rows.labels, rows.champion, rows.challenger, rows.clusters)
    found["auroc", "DeLong"] = delong is not None and delong[2] < 0.05
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"share of {runs} comparisons of equal models in which one is called better or worse (5 % are meant)\n")
    print("| keys with a positive | metric | rows drawn | keys drawn | keys drawn, widened (ours) | DeLong by keys |")
    print("|---|---|---|---|---|---|")
    for positives in (8, 15, 30, 100):
        told = [called(draw_world(positives, seed), seed) for seed in range(runs)]
        for metric in METRICS:
            cells = []
            for kind in ("rows", "keys", "keys, widened", "DeLong"):
                of_kind = [one[metric, kind] for one in told if (metric, kind) in one]
                cells.append(f"{100 * np.mean(of_kind):.1f} %" if of_kind else "")
            print(f"| {positives} | {metric} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
