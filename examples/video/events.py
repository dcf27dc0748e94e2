"""Where the events of this example come from; `.feastignore` keeps it out of Feast."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from feedworld.day import DAY, draw_day, tables
from feedworld.world import World

DAYS = 40
"""Days of history that a run plays; the last of them is live."""

WORLD = World()


def generate(first: date, number: int) -> Mapping[str, pa.Table]:
    """Return the events of the UTC day `number` days after `first`: three topics, and the outcomes, known an hour later."""
    return tables(WORLD, draw_day(WORLD, number), (first - date(1970, 1, 1)).days * DAY)
