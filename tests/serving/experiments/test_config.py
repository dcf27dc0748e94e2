"""The section `experiment` of `serving.yaml`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contract.label import ServiceError
from serving.config import ServingConfigError, load_config, parse_config
from serving.experiments.config import ExperimentConfig, check_experiment
from serving.request.schema import RequestField

GOOD = {"unit": "user", "arms": {"champion": 0.9, "challenger": 0.1}}
FIELDS = (
    RequestField("user", "string", is_key=True),
    RequestField("price", "float64", is_key=False),
    RequestField("ids", "int64[]", is_key=False),
)


def experiment(change: dict[str, object]) -> ExperimentConfig:
    return parse_config({"service": ["clicks", "views"], "experiment": {**GOOD, **change}}).experiments["clicks"]


def test_one_experiment_is_of_the_default_service() -> None:
    assert experiment({}).challengers == ("challenger",)


def test_an_experiment_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text(
        "service: clicks\n"
        "experiment:\n"
        "  unit: user\n"
        "  arms: {champion: 9, challenger: 1}\n"
        "  guardrail:\n"
        "    - {metric: latency_ms, margin: 2}\n"
        "  since: 2026-03-01\n"
    )
    config = load_config(tmp_path / "serving.yaml").experiments["clicks"]
    assert (config.since, config.arms["challenger"], config.guardrail[0].margin) == (date(2026, 3, 1), 1.0, 2.0)
    (tmp_path / "serving.yaml").write_text("service: clicks\nexperiment:\n  unit: user\n  arms: {champion: -1}\n")
    with pytest.raises(ServingConfigError, match=r"serving.yaml:4: experiment.clicks.arms.champion: Input should be"):
        load_config(tmp_path / "serving.yaml")


def test_experiments_stand_under_the_names_of_their_services() -> None:
    config = parse_config({"service": ["clicks", "views"], "experiment": {"views": GOOD}})
    assert list(config.experiments) == ["views"]


def test_the_champion_is_the_first_arm_wherever_it_stands() -> None:
    split = experiment({"arms": {"bold": 1, "champion": 3}}).split("clicks", stopped=["bold"])
    assert (split.aliases, split.unit, set(split.assign(range(50)))) == (("champion", "bold"), "user", {0})


def test_two_services_divide_units_independently() -> None:
    config = experiment({"arms": {"bold": 1, "champion": 1}})
    one, other = (config.split(service).assign(range(1000)) for service in ("clicks", "views"))
    assert 300 < (one == other).sum() < 700


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": 5}, r"experiment.clicks.unit: Input should be a valid string, got 5"),
        ({"arms": {}}, r"experiment.clicks.arms: Dictionary should have at least 1 item"),
        ({"arms": {"bold": 1}}, r"experiment.clicks: arms has no champion; give it a weight"),
        ({"arms": {"champion": -1}}, r"experiment.clicks.arms.champion: Input should be greater than or equal to 0"),
        ({"arms": {"champion": True}}, r"experiment.clicks.arms.champion: Input should be a valid number, got True"),
        ({"arms": {"champion": 0}}, r"every arm weighs 0"),
        ({"arms": {"champion": 1, "A b": 1}}, r"'A b' is no alias; write small letters"),
        ({"shadow": ["challenger"]}, r"challenger stands twice among arms and shadow"),
        ({"wheight": 1}, r"experiment.clicks.wheight: is not known; write one of unit, arms, shadow"),
        (
            {"guardrail": {"metric": "clicks"}},
            r"experiment.clicks.guardrail\[0\].metric: Input should be 'accept_rate'",
        ),
        (
            {"guardrail": [{"metric": "log_loss", "margn": 1}]},
            r"guardrail\[0\].margn: is not known; write one of metric",
        ),
        ({"metric": "miss_rate"}, r"miss_rate needs accept; name the decisions that accept"),
        ({"metric": "lost", "accept": ["show"]}, r"lost needs value; name the request field"),
        ({"alpha": 0.5}, r"experiment.clicks.alpha: Input should be less than 0.5"),
    ],
)
def test_unusable_key_is_named_with_what_to_write(change: dict[str, object], message: str) -> None:
    with pytest.raises(ServingConfigError, match=message):
        experiment(change)


def test_experiment_of_a_service_that_is_not_served_is_refused() -> None:
    with pytest.raises(ServingConfigError, match=r"experiment.likes: is not served; write the name of one of clicks"):
        parse_config({"service": "clicks", "experiment": {"likes": GOOD}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "usr"}, r"experiment.unit: a request of clicks has no field usr; there are user\."),
        ({"unit": "price"}, r"experiment.unit: price of clicks is a float64, allowed are int64, int32, string"),
        ({"value": "ids"}, r"experiment.value: ids of clicks is a int64\[\]"),
    ],
)
def test_field_that_a_request_does_not_have_is_refused(change: dict[str, object], message: str) -> None:
    check_experiment("clicks", experiment({}), FIELDS)
    with pytest.raises(ServiceError, match=message):
        check_experiment("clicks", experiment(change), FIELDS)
