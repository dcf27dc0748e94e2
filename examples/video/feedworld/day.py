"""One day of the feed, drawn with NumPy: impressions, clicks, watches and outcomes, and the truth behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feedworld.world import (
    CATEGORIES,
    LONG_WATCH,
    NEW_A_DAY,
    SHOWN_DAYS,
    SPREAD,
    Floats,
    Ints,
    World,
    click_probability,
    mean_log_watch,
    tastes,
    upload_time,
    video_category,
    video_quality,
)

DAY = 86_400_000_000  # microseconds
OPEN = DAY - 3_600_000_000  # nobody opens the feed in the last hour, so that all of an impression is of its day
TIME = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class FeedDay:
    """One day; arrays have one entry an impression, by time.

    Attributes:
        number: Which day.
        shown: Microseconds after the midnight of day 0.
        request: The request's number within the day.
        user: The user's number.
        video: The video's number.
        position: The place in the feed, from 0.
        clicked: Whether it was clicked.
        seconds: How long it was watched, 0 without a click.
        probability: The true probability of a click.
        expected_seconds: The true mean of `seconds`.
        expected_relevance: The true mean of the relevance.
    """

    number: int
    shown: Ints
    request: Ints
    user: Ints
    video: Ints
    position: Ints
    clicked: np.ndarray
    seconds: Floats
    probability: Floats
    expected_seconds: Floats
    expected_relevance: Floats


def draw_day(world: World, number: int) -> FeedDay:
    """Draw the day with this number, 0 or more."""
    random = np.random.default_rng([world.seed, 5, number])
    people = tastes(world)
    count = int(random.poisson(world.requests_a_day))
    opened = np.sort(random.integers(0, OPEN, count)) + number * DAY
    who = random.choice(world.users, count, p=people.weight)
    first = number * NEW_A_DAY  # videos that are new enough, and have been uploaded before the day
    offered = random.random((count, NEW_A_DAY * SHOWN_DAYS)).argsort(axis=1)[:, : world.candidates] + first
    shown, user = np.repeat(opened, world.candidates), np.repeat(who, world.candidates)
    video, position = offered.ravel(), np.tile(np.arange(world.candidates), count)
    taste = people.taste[user, video_category(world, video)]
    quality = video_quality(world, video)
    age = (shown - upload_time(world, video)) / DAY
    probability = click_probability(taste, quality, age, position)
    mean = mean_log_watch(taste, quality)
    clicked = random.random(len(user)) < probability
    seconds = np.where(clicked, np.round(np.exp(random.normal(mean, SPREAD)), 1), 0.0)
    long = 0.5 * (1 - _erf((np.log(LONG_WATCH) - mean) / (SPREAD * np.sqrt(2))))
    return FeedDay(
        number,
        shown,
        np.repeat(np.arange(count), world.candidates),
        user,
        video,
        position,
        clicked,
        seconds,
        probability,
        probability * np.exp(mean + SPREAD**2 / 2),
        probability * (1 + long),
    )


def tables(world: World, day: FeedDay, first: int) -> dict[str, pa.Table]:
    """Return a day's events by topic; `first` is the midnight of day 0, microseconds since the epoch."""
    names = pa.array(CATEGORIES).take(pa.array(video_category(world, day.video)))
    ids = _named(f"i{day.number}-", np.arange(len(day.user)))
    shared = {
        "user_id": _named("u", day.user),
        "video_id": _named("v", day.video),
        "category": names,
    }
    uploaded = pa.array(first + upload_time(world, day.video), TIME)
    request = _named(f"r{day.number}-", day.request)
    shown = pa.array(first + day.shown, TIME)
    impressions = {"impression_id": ids, "shown_at": shown, "request_id": request, **shared}
    relevance = day.clicked.astype(np.int64) + (day.seconds >= LONG_WATCH)
    at = pa.array(np.flatnonzero(day.clicked))
    clicked_at = first + day.shown + 2_000_000 + day.position * 1_500_000
    of_clicks = {name: column.take(at) for name, column in shared.items()}
    watched_at = clicked_at + (day.seconds * 1e6).astype(np.int64)
    return {
        "impressions": pa.table(impressions | {"position": day.position, "uploaded_at": uploaded}),
        "clicks": pa.table({"click_id": ids.take(at), "clicked_at": pa.array(clicked_at, TIME).take(at), **of_clicks}),
        "watches": pa.table(
            {
                "watch_id": ids.take(at),
                "watched_at": pa.array(watched_at, TIME).take(at),
                **of_clicks,
                "seconds": pa.array(day.seconds).take(at),
            }
        ),
        "outcomes": pa.table(
            impressions
            | {
                "uploaded_at": uploaded,
                "clicked": day.clicked.astype(np.int64),
                "watch_seconds": day.seconds,
                "relevance": relevance,
            }
        ),
    }


def _named(prefix: str, numbers: Ints) -> pa.Array:
    return pa.array([f"{prefix}{number}" for number in numbers.tolist()], pa.string())


def _erf(x: Floats) -> Floats:
    """Return the error function (Abramowitz and Stegun 7.1.26, to 1.5e-7)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly * np.exp(-x * x))
