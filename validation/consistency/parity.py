"""Holds the online store against the offline store: the same entities at the same instants must have the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from validation.consistency.agree import compare_columns

if TYPE_CHECKING:
    from feast import FeatureStore

AT = "event_timestamp"
ENTITIES = 2_500
"""Entities of a view that are looked at."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Captured:
    """What the online store said at one instant.

    Attributes:
        view: The feature view.
        keys: Its join keys.
        frame: The join keys, `event_timestamp` (the instant) and one column a feature.
    """

    view: str
    keys: tuple[str, ...]
    frame: pd.DataFrame


@dataclass(slots=True)
class Agreement:
    """How far one feature agrees.

    Attributes:
        compared: Values compared, missing ones included.
        present: Of them, those that at least one store has.
        equal: Values that agree.
        examples: Some that do not: join keys, instant, online, offline.
    """

    compared: int = 0
    present: int = 0
    equal: int = 0
    examples: list[tuple[Any, ...]] = field(default_factory=list)


def sample_entities(log: Path, keys: Sequence[str], random: np.random.Generator) -> pd.DataFrame:
    """Return the join keys of some entities of the last 30 days of a feature log: each once, in the order drawn."""
    last = sorted(log.glob("date=*"))[-30:]
    files = [str(file) for day in last for file in sorted(day.glob("[!._]*.parquet"))]
    if not files:
        return pd.DataFrame({key: [] for key in keys})
    known = ds.dataset(files).to_table(columns=list(keys)).to_pandas().drop_duplicates()
    known = known.sort_values(list(keys), ignore_index=True)
    return known.loc[random.permutation(len(known))[:ENTITIES]].reset_index(drop=True)


def capture(store: FeatureStore, view: str, features: Sequence[str], entities: pd.DataFrame, t: int) -> Captured:
    """Read some entities' features through Feast's own `get_online_features`, and note the instant.

    Args:
        store: The feature store.
        view: The view.
        features: Its features.
        entities: The join keys, one row an entity.
        t: The instant, microseconds UTC, up to which the online store is complete.
    """
    references = [f"{view}:{feature}" for feature in features]
    rows = {key: entities[key].tolist() for key in entities.columns}
    frame = store.get_online_features(features=references, entity_rows=rows).to_df()
    frame[AT] = pd.Timestamp(EPOCH + timedelta(microseconds=t))
    return Captured(view, tuple(entities.columns), frame)


Ask = Callable[[str, "list[str]", pd.DataFrame], pd.DataFrame]
"""Asks offline for a view's features: entities and instants in, the features out, one row each in the same order."""


def from_store(store: FeatureStore) -> Ask:
    """Return what asks a feature store's `get_historical_features`; its logs must reach to the last instant."""

    def ask(view: str, features: list[str], asked: pd.DataFrame) -> pd.DataFrame:
        references = [f"{view}:{feature}" for feature in features]
        numbered = asked.assign(_row=np.arange(len(asked)))
        offline = store.get_historical_features(entity_df=numbered, features=references).to_df()
        return offline.sort_values("_row", ignore_index=True)

    return ask


def compare(captured: Sequence[Captured], ask: Ask) -> dict[str, Agreement]:
    """Ask offline for the same entities and instants, and return the agreement of each feature."""
    found: dict[str, Agreement] = {}
    for view in dict.fromkeys(one.view for one in captured):
        parts = [one for one in captured if one.view == view and len(one.frame)]
        if not parts:
            continue
        online = pd.concat([part.frame for part in parts], ignore_index=True)
        keys = list(parts[0].keys)
        features = sorted(column for column in online.columns if column not in (*keys, AT))
        offline = ask(view, features, online[[*keys, AT]])
        for feature in features:
            agreement = found.setdefault(f"{view}:{feature}", Agreement())
            _count(agreement, online, offline, keys, feature)
    return found


def summarize(found: Mapping[str, Agreement]) -> tuple[int, int]:
    """Return how many values were compared and how many agree."""
    return sum(a.compared for a in found.values()), sum(a.equal for a in found.values())


def _count(agreement: Agreement, online: pd.DataFrame, offline: pd.DataFrame, keys: list[str], feature: str) -> None:
    here, there = online[feature], offline[feature]
    good, absent_here, absent_there = compare_columns(here, there)
    agreement.compared += len(good)
    agreement.present += int((~(absent_here & absent_there)).sum())
    agreement.equal += int(good.sum())
    for row in np.flatnonzero(~good)[: 5 - len(agreement.examples)]:
        agreement.examples.append((*online.loc[row, keys], online.loc[row, AT], here[row], there[row]))
