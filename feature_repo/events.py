"""Where the events of this example come from: `make run` and `make simulate` play them; `.feastignore` keeps it out of Feast.

A run asks for one day after the other. The labels come with their transactions; when they become known says the tag
`millrace.known_after` of their source.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from simulator.generator import generate_day
from simulator.world import World

DAYS = 60
"""Days of history that a run plays; the last of them is live."""


def generate(first: date, number: int) -> Mapping[str, pa.Table]:
    """Return the events of the UTC day `number` days after `first`, by topic; the same for the same number, but for the date."""
    day = generate_day(World(start=first), number)
    labels = day.set_column(5, "is_fraud", pc.cast(day["is_fraud"], pa.int64()))
    return {
        "transactions": day.drop_columns(["is_fraud", "fraud_scenario"]),
        "fraud_labels": labels.drop_columns(["fraud_scenario"]),
    }


def prepare(topic: str, events: pa.Table) -> pa.Table:
    """Return events of a user's own file as this example wants them: amounts in whole cents."""
    at = events.schema.get_field_index("amount")
    return events.set_column(at, "amount", pc.round(pc.cast(events["amount"], pa.float64()), 2))
