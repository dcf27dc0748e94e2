"""What is read from the registry, and which feature services are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.scoring.scorer import Scorer
from serving.scoring.service import ServiceError, define_service
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
    names = [name for name, _ in scorer.definition.features]
    assert names[0].startswith("user_activity__")
    assert names[-1] == "user_ad_affinity__affinity"


def test_only_what_is_needed_is_looked_up(scorer: Scorer) -> None:
    stored = {view.name: [name for name, _ in view.features] for view in scorer.definition.stored}
    assert sorted(stored["ad_quality"]) == ["clicks", "rate"]


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("renamed", "renamed: ad_quality is renamed or versioned, which is not served; use its name"),
        ("rekeyed", "rekeyed: ad_quality is joined by other keys .* declare a view of its own"),
        ("clicks_v9", r"clicks_v9 is not in the registry \(known: click_v1, rekeyed, renamed\)"),
    ],
)
def test_service_that_cannot_be_served_is_refused(workspace: Workspace, service: str, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        define_service(open_store(workspace), service)


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
            *declared.feature_views,
            *declared.stream_feature_views,
            *declared.on_demand_feature_views,
            *declared.feature_services,
        ]
    )
    fields = define_service(store, service).schema.fields
    assert {(one.name, one.kind) for one in fields} == {
        ("customer_id", "int64"),
        ("terminal_id", "int64"),
        ("amount", "float64"),
    }
