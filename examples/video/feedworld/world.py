"""The world that never changes from day to day: tastes of users, qualities of videos, and the truth about a click."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CATEGORIES = ("music", "news", "sport", "games", "cooking", "science", "travel", "comedy")
NEW_A_DAY = 12
"""Videos that are uploaded each day; a video can be shown for `SHOWN_DAYS`."""
SHOWN_DAYS = 25
LONG_WATCH = 30.0
"""Seconds from which a watch counts as long."""


@dataclass(frozen=True, slots=True)
class World:
    """Declares a feed; two equal worlds give equal events.

    Attributes:
        users: How many.
        requests_a_day: How often the feed is opened, all users together.
        candidates: Videos that are shown each time.
        seed: Decides everything.
    """

    users: int = 150
    requests_a_day: int = 80
    candidates: int = 12
    seed: int = 11


@dataclass(frozen=True, slots=True)
class Tastes:
    """What users like: shape (users, categories), around 0, and how often each opens the feed, shape (users,)."""

    taste: Floats
    weight: Floats


@lru_cache(maxsize=4)
def tastes(world: World) -> Tastes:
    """Draw the users."""
    random = np.random.default_rng([world.seed, 1])
    weight = random.gamma(2.0, 1.0, world.users)
    return Tastes(random.normal(0.0, 1.2, (world.users, len(CATEGORIES))), weight / weight.sum())


def video_category(world: World, video: Ints) -> Ints:
    """Return the category of videos, by their numbers."""
    return _mixed(world, video, 2) % len(CATEGORIES)


def video_quality(world: World, video: Ints) -> Floats:
    """Return the quality of videos: normal around 0."""
    even = (_mixed(world, video, 3) % 10_000 + 0.5) / 10_000
    return 0.9 * np.log(even / (1 - even)) / 1.7


def upload_time(world: World, video: Ints) -> Ints:
    """Return when videos were uploaded, microseconds after the midnight of day 0; before it, negative."""
    day = video // NEW_A_DAY - SHOWN_DAYS
    return day * 86_400_000_000 + _mixed(world, video, 4) % 86_400_000_000


def click_probability(taste: Floats, quality: Floats, age_days: Floats, position: Ints) -> Floats:
    """Return the true probability of a click."""
    logit = -2.3 + taste + quality - 0.05 * age_days - 0.04 * position
    return 1 / (1 + np.exp(-logit))


def mean_log_watch(taste: Floats, quality: Floats) -> Floats:
    """Return the mean of the logarithm of the seconds that a click is watched."""
    return 3.0 + 0.35 * taste + 0.4 * quality


SPREAD = 0.6
"""The standard deviation of that logarithm."""


def _mixed(world: World, number: Ints, salt: int) -> Ints:
    """Return well mixed numbers from 0 on (the finaliser of splitmix64), so that a video needs no table."""
    x = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(world.seed * 1_000_003 + salt)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
