"""A whole other team's repo (advertising), served from a real Redis with a real, tiny model."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serving.config import ServingConfig, load_config
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.scorer import Scorer
from workspace.redis_server import RedisServer
from workspace.workspace import Workspace, open_store, read_declarations

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RANKED = ("user_activity__clicks", "user_activity__dwell", "ad_quality__rate", "user_ad_affinity__affinity")
NUMERIC = (
    "user_activity__clicks",
    "user_activity__dwell",
    "user_activity__subscriber",
    "ad_quality__rate",
    "bid_against_user__bid_per_click",
    "bid_against_user__idle_seconds",
    "bid_against_user__seen_before",
    "bid_against_ad__expected_value",
    "user_ad_affinity__affinity",
)
YAML = """
project: ads
provider: local
registry: {data}/registry.db
online_store: {{type: redis, connection_string: "{redis}"}}
offline_store: {{type: dask}}
entity_key_serialization_version: 3
"""

SaveModel = Callable[..., None]
Until = Callable[[Callable[[], object]], None]
Request = dict[str, object]


@pytest.fixture(scope="session")
def until() -> Until:
    """Return a function that waits until something holds that happens in another thread or process."""

    def wait(holds: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"it did not come to hold within {seconds:g} s"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def request_body() -> Request:
    """Return a request whose every feature has a value."""
    return {"user_id": "ann", "ad_id": 7, "bid": 0.5, "slot": 1, "event_timestamp": NOW.isoformat()}


@pytest.fixture(scope="session")
def save_model() -> SaveModel:
    """Return a function that trains a tiny model and writes it as the training does."""
    import xgboost

    def save(
        models: Path,
        service: str = "click_v1",
        version: str = "v1",
        columns: tuple[str, ...] = NUMERIC,
        predicts: str = "binary",
    ) -> None:
        generator = np.random.default_rng(7)
        X = generator.normal(size=(200, len(columns))).astype(np.float32)
        matrix = xgboost.DMatrix(X, label=(X[:, 0] + X[:, -1] > 0).astype(float))
        objective = "binary:logistic" if predicts == "binary" else "reg:squarederror"
        booster = xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1}, matrix, 5)
        names = {"service": service, "version": version, "label": "clicked", "predicts": predicts}
        rest = {"metrics": json.dumps({"auroc": 0.9}), "split": json.dumps({"train_from": "2026-02-01"})}
        at = {"columns": json.dumps(columns), "trained_at": "2026-03-01T00:00:00+00:00"}
        booster.set_attr(**{f"millrace.{name}": text for name, text in (names | rest | at).items()})
        (models / service / version).mkdir(parents=True, exist_ok=True)
        booster.save_model(models / service / version / "model.ubj")
        (models / service / "CURRENT").write_text(f"{version}\n")

    return save


def make_workspace(folder: Path, connection_string: str) -> Workspace:
    """Copy the repo, apply it and write its online rows through Feast itself."""
    repo, data = folder / "repo", folder / "data"
    shutil.copytree(Path(__file__).parent / "ad_repo", repo)
    data.mkdir()
    (data / "feature_store.yaml").write_text(YAML.format(data=data, redis=connection_string))
    workspace = Workspace.from_env({"REPO": str(repo), "MILLRACE_DATA": str(data)})
    declared = read_declarations(workspace)
    store = open_store(workspace)
    store.apply(
        [*declared.entities, *declared.feature_views, *declared.on_demand_feature_views, *declared.feature_services]
    )
    an_hour_ago, long_ago = NOW - timedelta(hours=1), NOW - timedelta(days=30)
    store.write_to_online_store(
        "user_activity",
        pd.DataFrame(
            {
                "user_id": ["ann", "bob", "old"],
                "clicks": [4, 0, 9],
                "dwell": [1.5, None, 2.5],
                "subscriber": [True, False, True],
                "segment": ["sport", "news", "food"],
                "last_seen": [an_hour_ago, an_hour_ago, long_ago],
                "last_ads": [[7, 8], [9], [7]],
                "last_visits": [[long_ago, an_hour_ago], [], [long_ago]],
                "event_timestamp": [an_hour_ago, an_hour_ago, long_ago],
            }
        ),
    )
    store.write_to_online_store(
        "ad_quality",
        pd.DataFrame({"ad_id": [7, 8], "clicks": [10, 20], "rate": [0.25, 0.1], "event_timestamp": [an_hour_ago] * 2}),
    )
    store.write_to_online_store(
        "user_ad_affinity",
        pd.DataFrame({"user_id": ["ann"], "ad_id": [7], "affinity": [0.75], "event_timestamp": [an_hour_ago]}),
    )
    # The way of `feast materialize`: write_to_online_store loses the key of a view without entities, and its row with it.
    store._get_provider().ingest_df(
        store.registry.get_feature_view("site_load", store.project),
        pd.DataFrame({"__dummy_id": [""], "visitors": [31], "event_timestamp": [an_hour_ago]}),
    )
    return workspace


@pytest.fixture(scope="session")
def make_ads(save_model: SaveModel) -> Callable[[Path, str], Workspace]:
    """Return a function that makes the whole workspace in a folder, model included."""

    def make(folder: Path, connection_string: str) -> Workspace:
        made = make_workspace(folder, connection_string)
        save_model(made.models)
        return made

    return make


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, make_ads: Callable[[Path, str], Workspace]
) -> Workspace:
    return make_ads(tmp_path_factory.mktemp("ads"), redis_server.connection_string)


@pytest.fixture(scope="session")
def ranker(workspace: Workspace, save_model: SaveModel) -> Scorer:
    """Return what orders candidates."""
    save_model(workspace.models, "rank_v1", columns=RANKED, predicts="ranking")
    return build_scorers(workspace, ["rank_v1"], SetupReader(workspace.models))["rank_v1"]


@pytest.fixture(scope="session")
def config(workspace: Workspace) -> ServingConfig:
    return load_config(workspace.repo / "serving.yaml")


@pytest.fixture(scope="session")
def scorer(workspace: Workspace, config: ServingConfig) -> Scorer:
    setup = SetupReader(workspace.models, config.policy)
    return build_scorers(workspace, config.services, setup)[config.services[0]]
