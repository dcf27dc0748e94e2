"""What is read from the registry, and which feature services are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.label import ServiceError
from contract.service import read_service
from serving.request.schema import request_schema
from serving.scoring.scorer import Scorer
from workspace.workspace import Workspace, open_store, read_declarations

ROOT = Path(__file__).parents[3]


def test_request_is_the_join_keys_and_the_request_data_that_nothing_fills(scorer: Scorer) -> None:
    schema = scorer.schema
    assert [(one.name, one.kind, one.is_key) for one in schema.fields] == [
        ("user_id", "string", True),
        ("ad_id", "int64", True),
        ("bid", "float64", False),
        ("slot", "int64", False),
    ]
    assert dict(schema.fills) == {"event_timestamp": "event_timestamp", "this_ad": "ad_id"}


def test_features_come_in_declared_order_under_their_full_names(scorer: Scorer) -> None:
    names = [name for name, _ in scorer.service.features]
    assert names[0].startswith("user_activity__")
    assert names[-1] == "user_ad_affinity__affinity"


def test_only_what_is_needed_is_looked_up(scorer: Scorer) -> None:
    stored = {view.name: [name for name, _ in view.features] for view in scorer.service.stored}
    assert sorted(stored["ad_quality"]) == ["clicks", "rate"]


def test_service_that_is_not_there_is_told_with_those_that_are(workspace: Workspace) -> None:
    with pytest.raises(
        ServiceError,
        match=r"clicks_v9 is not in the registry \(known: click_v1, everything, rank_v1\); name one of these",
    ):
        read_service(open_store(workspace), "clicks_v9")


@pytest.mark.parametrize("service", ["fraud_v1", "fraud_v2"])
def test_shipped_services_ask_for_keys_and_amount_only(tmp_path: Path, service: str) -> None:
    yaml = tmp_path / "feature_store.yaml"
    yaml.write_text(
        f"project: fraud\nprovider: local\nregistry: {tmp_path}/registry.db\nonline_store: {{type: redis}}\n"
        "offline_store: {type: dask}\nentity_key_serialization_version: 3\n"
    )
    shipped = Workspace(ROOT / "feature_repo", tmp_path, yaml)
    declared = read_declarations(shipped)
    store = open_store(shipped)
    store.apply(
        [
            *declared.entities,
            *declared.data_sources,
            *declared.feature_views,
            *declared.stream_feature_views,
            *declared.on_demand_feature_views,
            *declared.feature_services,
        ]
    )
    fields = request_schema(read_service(store, service)).fields
    assert {(one.name, one.kind) for one in fields} == {
        ("customer_id", "int64"),
        ("terminal_id", "int64"),
        ("amount", "float64"),
    }
