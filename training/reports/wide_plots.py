"""Draws the report's plots that take its whole width: what moves answers, and days along the time line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import rankdata

from training.measures.contributions import Contributions
from training.measures.days import Day

BLUE, RED, GREY = "#2563eb", "#dc2626", "#94a3b8"


def draw_time_line(train: Sequence[Day], test: Sequence[Day], what: str) -> Figure:
    """Draw each day's rows and mean label, from the first day trained on to the last one tested on.

    Args:
        train: The days trained on.
        test: The days tested on.
        what: What the mean label is called, for people.
    """
    figure = Figure(figsize=(10.4, 3.0), layout="constrained")
    axes = figure.add_subplot(title="Rows and labels of each day", ylabel="rows a day")
    labels = axes.twinx()
    labels.set_ylabel(what)
    labels.grid(visible=False)
    for days, colour, name in ((train, BLUE, "trained on"), (test, RED, "tested on")):
        at = np.array([day.date for day in days], "datetime64[D]")
        axes.bar(at, [day.rows for day in days], color=colour, alpha=0.25, width=0.9, label=name)
        labels.plot(at, [day.label for day in days], "o-", color=colour, markersize=3)
    labels.set_ylim(bottom=min([0.0, *(day.label for day in (*train, *test))]))
    axes.legend(frameon=False, ncols=2, loc="lower left")
    figure.autofmt_xdate()
    return figure


def draw_days(days: Sequence[Day]) -> Figure:
    """Draw each day's mean label and mean score, and the share of alerts."""
    figure = Figure(figsize=(10.4, 3.2), layout="constrained")
    axes = figure.add_subplot(ylabel="mean of the day's rows")
    at = range(len(days))
    axes.plot(at, [day.label for day in days], "o-", color=RED, label="label")
    axes.plot(at, [np.nan if day.score is None else day.score for day in days], "o-", color=BLUE, label="score")
    if days and days[0].alerts is not None:
        axes.plot(at, [np.nan if day.alerts is None else day.alerts for day in days], "o--", color=GREY, label="alerts")
    axes.set_xticks(at, [day.date[5:] for day in days], rotation=45 if len(days) > 14 else 0)
    axes.set_ylim(bottom=min([0.0, *(min(day.label, day.score or 0.0) for day in days)]))
    axes.legend(frameon=False, ncols=3)
    return figure


def draw_contributions(found: Contributions, most: int = 15, seed: int = 7) -> Figure:
    """Draw each row's value of the largest features, coloured by the feature's own size among the rows; grey is missing."""
    random = np.random.default_rng(seed)
    ranked = found.ranked()[:most]
    figure = Figure(figsize=(10.4, 0.34 * max(len(ranked), 3) + 1.2), layout="constrained")
    axes = figure.add_subplot(xlabel="SHAP value: how far a row's answer is moved")
    for place, one in enumerate(ranked):
        at = found.names.index(one.name)
        column, values = found.matrix[:, at], found.values[:, at]
        there = ~np.isnan(column)
        height = place + random.uniform(-0.32, 0.32, len(values))
        axes.scatter(values[~there], height[~there], s=5, color=GREY, linewidths=0, rasterized=True)
        size = rankdata(column[there]) / max(int(there.sum()), 1)
        axes.scatter(values[there], height[there], s=5, c=size, cmap="coolwarm", linewidths=0, rasterized=True)
    axes.axvline(0, color="#64748b", linewidth=0.8)
    axes.set_yticks(range(len(ranked)), [one.name.replace("__", ": ", 1) for one in ranked], fontsize=8)
    axes.invert_yaxis()
    return figure
