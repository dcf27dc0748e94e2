"""Three days of clicks: bursts, ties, hop edges, nulls."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa

DAYS = 3
DAY = 86_400_000_000
COUNT = 1_000  # clicks a day


def generate(first: date, number: int) -> Mapping[str, pa.Table]:
    """Return the clicks of one day."""
    random = np.random.default_rng([17, number])
    midnight = ((first - date(1970, 1, 1)).days + number) * DAY
    at = np.sort(random.integers(0, DAY, COUNT))
    at[::7] -= at[::7] % (DAY // 288)  # on five minutes
    at[1::5] = at[::5][: len(at[1::5])]  # ties
    return {
        "clicks": pa.table(
            {
                "click_id": [f"c{number}{one:04}" for one in random.permutation(COUNT)],
                "clicked_at": pa.array(midnight + np.sort(at), pa.timestamp("us", "UTC")),
                "user_id": [f"u-{one}" for one in random.integers(0, 40, COUNT)],
                "ad_id": [f"ad {one}" for one in random.zipf(1.5, COUNT).clip(max=25)],
                "bid": pa.array(random.uniform(0.01, 3.0, COUNT), mask=random.random(COUNT) < 0.05),
                "slot": pa.array(random.integers(0, 4, COUNT), pa.int32()),
                "dwell_ms": pa.array(random.integers(50, 5_000, COUNT), mask=random.random(COUNT) < 0.1),
                "on_phone": pa.array(random.random(COUNT) < 0.5),
            }
        )
    }
