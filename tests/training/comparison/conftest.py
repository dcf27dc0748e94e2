"""The ads world in days: what a click depends on may change, and labels are known a day later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FIRST = pd.Timestamp("2024-03-01", tz="UTC")
OURS = "stores.asof_offline.AsofOfflineStore"


def shown(days: int, changes: int | None = None, a_day: int = 260, seed: int = 3) -> pd.DataFrame:
    """Return impressions of `days` days; from the day `changes` on it is low bids that are clicked, and not high ones."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), a_day)
    rows = len(day)
    seconds = day * 86_400 + np.sort(random.integers(0, 86_400, (days, a_day)), axis=1).ravel()
    ads, bids = random.integers(0, 12, rows), random.uniform(0.1, 2.0, rows).round(2)
    liked = np.where(day >= (days if changes is None else changes), bids < 0.8, bids > 1.2)
    return pd.DataFrame(
        {
            "impression_id": np.arange(rows) + 1000,
            "shown_at": (FIRST + pd.to_timedelta(seconds, unit="s")).as_unit("us"),
            "page_id": np.arange(rows) // 5,
            "ad_id": ads,
            "visitor_id": random.integers(0, 4000, rows),
            "slot": random.integers(0, 4, rows),
            "bid": bids,
            "clicked": (random.uniform(0, 1, rows) < 0.05 + 0.4 * liked).astype("int64"),
        }
    )


@pytest.fixture(scope="session")
def build_world(build_ads: Callable[..., Any]) -> Callable[..., Any]:
    """Builds a world that serves ads_v10: `build(folder, impressions)`."""

    def build(folder: Path, impressions: pd.DataFrame) -> Any:
        world = build_ads(folder, offline=OURS, impressions=impressions)
        (world.workspace.repo / "serving.yaml").write_text("service: ads_v10\n")
        return world

    return build


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command as make does, and returns its code and all it says: `run(world, "compare", ALIAS="challenger")`."""
    from commands.__main__ import main as run_command

    def call(world: Any, name: str, **settings: str) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            for one, value in {**world.workspace.environment(), "SERVICE": "ads_v10", **settings}.items():
                patch.setenv(one, value)
            code = run_command([name])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call
