"""Draws the report's plots as SVG texts, without a display and without matplotlib's global state."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from training.measures.metrics import Labels, Metrics, Scores
from training.reports.wide_plots import draw_contributions, draw_days, draw_time_line
from training.result import FeatureUse, Tested, TrainResult

BLUE, RED, GREY = "#2563eb", "#dc2626", "#94a3b8"
_SHOWN = {
    "regression": "Whether what is predicted comes true on average, for each tenth of the rows.",
    "ranking": "Whether what is scored higher is more relevant, for each tenth of the rows.",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small files, the reader's own font
    "svg.hashsalt": "millrace",  # the same run draws the same bytes
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
}


def draw_wide_plots(result: TrainResult, tested: Tested) -> dict[str, str]:
    """Return SVG by name for `time_line`, `days` and `contributions`, as far as there are rows."""
    what = "share of positives" if result.predicts == "binary" else "mean label"
    with mpl.rc_context(_STYLE):
        found = {"time_line": as_svg(draw_time_line(result.train_days, result.test_days, what))}
        if result.test_days:
            found["days"] = as_svg(draw_days(result.test_days))
        if tested.contributions is not None and len(tested.contributions.values):
            found["contributions"] = as_svg(draw_contributions(tested.contributions))
    return found


def draw_plots(result: TrainResult, tested: Tested) -> list[tuple[str, str]]:
    """Return (what the plot shows, SVG) for each plot the rows allow; curves need both classes.

    Args:
        result: The run, for its threshold, features and days.
        tested: Its test rows.
    """
    labels, scores = tested.labels, tested.scores
    plots: list[tuple[str, str]] = []
    with mpl.rc_context(_STYLE):
        if not isinstance(result.metrics, Metrics):
            plots.append((_SHOWN[result.predicts], _by_prediction(result.predicts, labels, scores)))
            plots.append(
                ("What the model looks at: each feature's share of the total gain.", _gain(result.features[:15]))
            )
            return plots
        threshold = result.metrics.threshold
        if 0 < labels.sum() < len(labels):
            plots.append(
                ("The share of positives caught against the share of negatives bothered.", _roc(labels, scores))
            )
            plots.append(
                (
                    "How precise the alerts are as more positives are caught.",
                    _precision_recall(labels, scores, threshold),
                )
            )
            plots.append(("Whether a score of 0.3 comes true three times in ten; bars: 95 %.", _calibration(tested)))
        plots.append(("How the scores are spread, on a logarithmic scale.", _histogram(labels, scores, threshold)))
        if result.daily:
            plots.append(
                (
                    f"Of {result.metrics.k} keys looked at each day, how many are positive.",
                    _days(result, result.metrics.k),
                )
            )
        plots.append(("What the model looks at: each feature's share of the total gain.", _gain(result.features[:15])))
    return plots


def _by_prediction(predicts: str, labels: Labels, scores: Scores) -> str:
    """Draw the mean label of each tenth of the rows, by rising score."""
    figure, axes = _axes("Label by score", "mean score of a tenth of the rows", "mean label", (5.0, 4.2))
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), 10) if len(part)]
    middle = [float(scores[part].mean()) for part in parts]
    if predicts == "regression" and middle:
        axes.plot([middle[0], middle[-1]], [middle[0], middle[-1]], color=GREY, linestyle="--", label="as predicted")
        axes.legend(loc="upper left", frameon=False)
    axes.plot(middle, [float(labels[part].mean()) for part in parts], "o-", color=BLUE)
    return as_svg(figure)


def _roc(labels: Labels, scores: Scores) -> str:
    figure, axes = _square("ROC", "false positive rate", "true positive rate")
    false, true, _ = roc_curve(labels, scores)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="chance")
    axes.plot(false, true, color=BLUE, label="model")
    axes.legend(loc="lower right", frameon=False)
    return as_svg(figure)


def _precision_recall(labels: Labels, scores: Scores, threshold: float) -> str:
    figure, axes = _square("Precision and recall", "recall", "precision")
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    axes.axhline(float(labels.mean()), color=GREY, linestyle="--", label="chance")
    axes.step(recall, precision, where="post", color=BLUE, label="model")
    at = int(np.searchsorted(thresholds, threshold))
    if at < len(thresholds):
        axes.plot(recall[at], precision[at], "o", color=RED, label=f"threshold {threshold:.3g}")
    axes.legend(loc="upper right", frameon=False)
    return as_svg(figure)


def _calibration(tested: Tested) -> str:
    figure, axes = _square("Calibration", "score, mean of the bin", "share of positives")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    labels, scores = tested.labels, tested.scores
    bins = np.minimum((scores * 10).astype("int64"), 9)
    if (tested.raw != scores).any():
        of_raw = np.minimum((tested.raw * 10).astype("int64"), 9)
        there = [of_raw == bin_ for bin_ in np.unique(of_raw)]
        means = [(float(tested.raw[one].mean()), float(labels[one].mean())) for one in there]
        axes.plot(*zip(*means, strict=True), "x:", color=RED, label="before calibration")
        axes.legend(loc="upper left", frameon=False)
    for bin_ in np.unique(bins):
        inside = bins == bin_
        low, share, high = _wilson(int(labels[inside].sum()), int(inside.sum()))
        axes.errorbar(
            float(scores[inside].mean()), share, yerr=[[share - low], [high - share]], fmt="o", color=BLUE, capsize=3
        )
    return as_svg(figure)


def _histogram(labels: Labels, scores: Scores, threshold: float) -> str:
    figure, axes = _axes("Scores", "score", "rows", (5.0, 4.2))
    edges = np.linspace(0, 1, 41).tolist()
    axes.hist(scores[labels == 0], bins=edges, color=GREY, label="negative")
    axes.hist(scores[labels == 1], bins=edges, color=RED, alpha=0.75, label="positive")
    axes.axvline(threshold, color=BLUE, linestyle="--", label=f"threshold {threshold:.3g}")
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return as_svg(figure)


def _days(result: TrainResult, k: int) -> str:
    figure, axes = _axes("Keys found each day", "", f"share of {k}", (5.0, 4.2))
    positions = range(len(result.daily))
    axes.bar(positions, [share for _, share in result.daily], color=BLUE)
    axes.set_xticks(positions, [day[5:] for day, _ in result.daily], rotation=45 if len(result.daily) > 7 else 0)
    axes.set_ylim(0, 1)
    return as_svg(figure)


def _gain(features: Sequence[FeatureUse]) -> str:
    figure, axes = _axes("Top features", "share of gain", "", (5.0, 4.2))
    axes.barh(range(len(features)), [feature.gain for feature in features], color=BLUE)
    axes.set_yticks(range(len(features)), [feature.name.replace("__", ": ", 1) for feature in features], fontsize=8)
    axes.invert_yaxis()
    return as_svg(figure)


def _wilson(hits: int, rows: int) -> tuple[float, float, float]:
    """Return Wilson's 95 % interval of a share: low, the share, high (Wilson 1927)."""
    z, share = 1.959964, hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * float(np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))) / (1 + z * z / rows)
    return min(middle - half, share), share, max(middle + half, share)


def _square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure, axes = _axes(title, x, y, (5.0, 4.2))
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    return figure, axes


def _axes(title: str, x: str, y: str, inches: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=inches, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    return figure, axes


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG text."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, dpi=110)
    return text.getvalue()
