"""`serving.yaml`: what it may say, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.config import ServingConfigError, load_config, parse_config
from serving.scoring.decision import DecisionPolicy

POLICY = [{"below": 0.3, "decide": "approve"}, {"below": 0.8, "decide": "review"}, {"decide": "decline"}]
GOOD = {"service": "fraud_v1", "policy": POLICY}


def policy_of(given: dict[str, object]) -> DecisionPolicy:
    policy = parse_config(given).policy
    assert policy is not None
    return policy


def test_shipped_configuration_is_valid() -> None:
    config = load_config(Path(__file__).parents[2] / "feature_repo" / "serving.yaml")
    assert [one.decide for one in (config.policy.thresholds if config.policy else ())] == [
        "approve",
        "review",
        "decline",
    ]


@pytest.mark.parametrize(
    ("score", "decision"), [(0.0, "approve"), (0.29, "approve"), (0.3, "review"), (0.8, "decline"), (1.0, "decline")]
)
def test_score_on_a_threshold_belongs_to_the_next_decision(score: float, decision: str) -> None:
    assert policy_of(GOOD).by_score(score) == decision


def test_defaults_hold_where_the_file_is_silent() -> None:
    config = parse_config(GOOD)
    assert (config.http.port, config.batch.wait_ms, config.replicas.min) == (8000, 0.0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"service": None},
            "service: expected the name of a feature service, or a list of names, got None",
            id="no_service",
        ),
        pytest.param({"serve": "x"}, "serve: is not known; write one of service, policy, http", id="unknown_key"),
        pytest.param({"http": {"prot": 1}}, "http.prot: is not known; write one of host, port", id="unknown_inner_key"),
        pytest.param({"http": {"port": "80"}}, "http.port: Input should be a valid integer, got '80'", id="text"),
        pytest.param(
            {"http": {"port": 70000}},
            "http.port: Input should be less than or equal to 65535, got 70000",
            id="port_too_large",
        ),
        pytest.param(
            {"http": []},
            r"http: Input should be a valid dictionary or instance of HttpConfig, got \[\]",
            id="list_as_section",
        ),
        pytest.param(
            {"batch": {"max_size": 0}}, "batch.max_size: Input should be greater than or equal to 1, got 0", id="zero"
        ),
        pytest.param(
            {"batch": {"max_size": True}}, "batch.max_size: Input should be a valid integer, got True", id="boolean"
        ),
        pytest.param(
            {"batch": {"wait_ms": float("nan")}}, "batch.wait_ms: Input should be a finite number, got nan", id="nan"
        ),
        pytest.param(
            {"replicas": {"min": 3, "max": 2}}, "replicas: min is 3, more than max, 2; raise max", id="min_above_max"
        ),
    ],
)
def test_unusable_key_is_named_with_what_to_write(change: dict[str, object], message: str) -> None:
    with pytest.raises(ServingConfigError, match=message):
        parse_config({**GOOD, **change})


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        pytest.param(5, "policy: Input should be a valid dictionary or instance of DecisionPolicy", id="number"),
        pytest.param([], "policy: is empty; write at least '- decide: approve'", id="empty"),
        pytest.param([{"below": 0.3}], r"policy.thresholds\[0\].decide: is missing; write it", id="no_decision"),
        pytest.param([{"decide": "a", "above": 1}], r"policy.thresholds\[0\].above: is not known", id="unknown_key"),
        pytest.param(
            [{"decide": 5}], r"policy.thresholds\[0\].decide: Input should be a valid string", id="number_as_name"
        ),
        pytest.param(
            [{"below": "0.3", "decide": "a"}], r"thresholds\[0\].below: Input should be a valid number", id="text"
        ),
        pytest.param(
            [{"below": float("nan"), "decide": "a"}], r"\[0\].below: Input should be a finite number", id="nan"
        ),
        pytest.param(
            {"thresholds": [{"decide": "a"}], "missing": {"above": 1, "decide": "b"}},
            "policy.missing.above: Input should be less than 1, got 1",
            id="share_that_nothing_exceeds",
        ),
        pytest.param([{"below": 0.3, "decide": "a"}], "leaves higher scores undecided", id="no_open_end"),
        pytest.param(
            [{"decide": "a"}, {"decide": "b"}], "takes every score; make it the last one", id="early_open_end"
        ),
        pytest.param(
            [{"below": 0.8, "decide": "a"}, {"below": 0.8, "decide": "b"}, {"decide": "c"}],
            "does not exceed the 0.8 before it",
            id="not_rising",
        ),
    ],
)
def test_policy_that_leaves_a_score_undecided_is_refused(policy: object, message: str) -> None:
    with pytest.raises(ServingConfigError, match=message):
        parse_config({"service": "s", "policy": policy})


def test_one_open_decision_takes_every_score() -> None:
    policy = policy_of({"service": "s", "policy": [{"decide": "show"}]})
    assert [policy.by_score(score) for score in (0.0, 1.0)] == ["show", "show"]


def test_several_services_and_no_policy_are_accepted() -> None:
    config = parse_config({"service": ["rank", "click"]})
    assert (config.services, config.policy) == (("rank", "click"), None)


def test_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        ServingConfigError, match=r"serving.yaml: does not exist; write at least 'service: <feature service>'"
    ):
        load_config(tmp_path / "serving.yaml")


def test_file_that_is_no_yaml_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("service: [")
    with pytest.raises(ServingConfigError, match=r"serving.yaml: is not YAML"):
        load_config(tmp_path / "serving.yaml")


def test_fault_in_a_file_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("service: s\npolicy: []\n")
    with pytest.raises(ServingConfigError, match=r"serving.yaml:2: policy: is empty"):
        load_config(tmp_path / "serving.yaml")


def test_fault_in_a_rule_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text(
        "service: s\npolicy:\n  thresholds: [{decide: a}]\n  rules:\n  - {name: x, when: n > 1, decide: b}\n"
        "  - name: y\n    decide: b\n    when: n >\n"
    )
    with pytest.raises(ServingConfigError, match=r"serving.yaml:8: policy.rules\[1\].when: 'n >' is not a condition"):
        load_config(tmp_path / "serving.yaml")


def test_policy_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("service: s\npolicy: rules/policy.yaml\n")
    with pytest.raises(ServingConfigError, match=r"policy.yaml: does not exist"):
        load_config(tmp_path / "serving.yaml")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "policy.yaml").write_text(
        "thresholds:\n- {decide: a}\nrules:\n- {name: x, when: n > 1, decide: b}\n"
    )
    config = load_config(tmp_path / "serving.yaml")
    assert config.policy is not None
    assert config.policy.rules[0].line == 4
    assert [path.name for path in config.files] == ["serving.yaml", "policy.yaml"]
    (tmp_path / "rules" / "policy.yaml").write_text("thresholds:\n- {decide: a}\n- {decide: b, abvoe: 1}\n")
    with pytest.raises(ServingConfigError, match=r"policy.yaml:3: policy.thresholds\[1\].abvoe: is not known"):
        load_config(tmp_path / "serving.yaml")


def test_ages_of_features_are_durations() -> None:
    assert parse_config({"service": "a", "max_feature_age": {"clicks": "5min"}}).max_feature_age == {
        "clicks": 300_000_000
    }
    with pytest.raises(ServingConfigError, match=r"max_feature_age.clicks: '5 minutes' is not a duration; write"):
        parse_config({"service": "a", "max_feature_age": {"clicks": "5 minutes"}})
    with pytest.raises(ServingConfigError, match=r"max_feature_age.clicks: expected a duration such as 5min, got 300"):
        parse_config({"service": "a", "max_feature_age": {"clicks": 300}})
