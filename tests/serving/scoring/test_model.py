"""Which model files are served, and which are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contract.model_file import ModelFileError, current_version
from serving.config import ServingConfig
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.model import ModelError, check_fit, read_model
from serving.scoring.scorer import Scorer
from workspace.workspace import Workspace

SaveModel = Callable[..., None]


def test_model_carries_what_the_training_wrote(tmp_path: Path, save_model: SaveModel) -> None:
    save_model(tmp_path, version="v3", columns=("a__x", "a__y"))
    model = read_model(tmp_path / "click_v1" / "v3" / "model.ubj")
    assert (model.file.version, model.file.columns, model.file.metrics) == ("v3", ("a__x", "a__y"), {"auroc": 0.9})


def test_scores_are_those_of_the_booster(tmp_path: Path, save_model: SaveModel) -> None:
    import xgboost

    save_model(tmp_path, columns=("a__x", "a__y"))
    matrix = np.array([[0.5, np.nan], [-1.0, 2.0]], dtype=np.float32)
    booster = xgboost.Booster(model_file=tmp_path / "click_v1" / "v1" / "model.ubj")
    np.testing.assert_array_equal(
        read_model(tmp_path / "click_v1" / "v1" / "model.ubj").predict(matrix), booster.predict(xgboost.DMatrix(matrix))
    )


def test_missing_model_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"click_v1: has no trained model \(no file CURRENT\); run `make train`"):
        current_version(tmp_path, "click_v1")


def test_missing_version_is_told_with_its_path(tmp_path: Path, save_model: SaveModel) -> None:
    save_model(tmp_path)
    shutil.rmtree(tmp_path / "click_v1" / "v1")
    with pytest.raises(ModelFileError, match=r"model\.ubj: does not exist"):
        read_model(tmp_path / "click_v1" / "v1" / "model.ubj")


@pytest.mark.parametrize("content", ["", "../v1"])
def test_current_must_name_a_version(tmp_path: Path, content: str) -> None:
    (tmp_path / "click_v1").mkdir()
    (tmp_path / "click_v1" / "CURRENT").write_text(content)
    with pytest.raises(ModelFileError, match="write one version"):
        current_version(tmp_path, "click_v1")


def test_file_that_is_no_model_is_refused(tmp_path: Path, save_model: SaveModel) -> None:
    save_model(tmp_path)
    (tmp_path / "click_v1" / "v1" / "model.ubj").write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match="is not an XGBoost model"):
        read_model(tmp_path / "click_v1" / "v1" / "model.ubj")


def test_model_without_attributes_is_refused(tmp_path: Path, save_model: SaveModel) -> None:
    import xgboost

    save_model(tmp_path)
    path = tmp_path / "click_v1" / "v1" / "model.ubj"
    booster = xgboost.Booster(model_file=path)
    booster.set_attr(**{"millrace.columns": None})
    booster.save_model(path)
    with pytest.raises(ModelFileError, match=r"lacks the attributes millrace\.columns"):
        read_model(tmp_path / "click_v1" / "v1" / "model.ubj")


@pytest.mark.parametrize(
    ("service", "columns", "message"),
    [
        pytest.param("other", ("user_activity__clicks",), "was trained on other, served is click_v1", id="service"),
        pytest.param("click_v1", ("user_activity__gone",), "wants user_activity__gone, not in feature", id="column"),
        pytest.param(
            "click_v1",
            ("user_activity__segment",),
            r"wants user_activity__segment \(string\); a model takes",
            id="text",
        ),
    ],
)
def test_model_that_does_not_fit_its_service_is_refused(
    tmp_path: Path, save_model: SaveModel, scorer: Scorer, service: str, columns: tuple[str, ...], message: str
) -> None:
    save_model(tmp_path, service=service, columns=columns)
    with pytest.raises(ModelError, match=message):
        check_fit(read_model(tmp_path / service / "v1" / "model.ubj"), scorer.service)


def test_service_does_not_start_with_a_model_that_does_not_fit(
    tmp_path: Path, save_model: SaveModel, workspace: Workspace, config: ServingConfig
) -> None:
    save_model(tmp_path / "models", columns=("user_activity__gone",))
    shutil.copy(workspace.yaml, tmp_path / "feature_store.yaml")
    elsewhere = Workspace(workspace.repo, tmp_path, tmp_path / "feature_store.yaml")
    with pytest.raises(ModelError, match="not in feature service click_v1 of the registry"):
        build_scorers(elsewhere, config.services, SetupReader(elsewhere.models))


def test_calibrated_model_scores_with_probabilities_in_the_same_order(tmp_path: Path, save_model: SaveModel) -> None:
    import xgboost

    from contract.calibration import Calibration

    save_model(tmp_path, columns=("a__x", "a__y"))
    path = tmp_path / "click_v1" / "v1" / "model.ubj"
    plain, curve = read_model(path), Calibration(0.5, 0.8, -1.0)
    booster = xgboost.Booster(model_file=path)
    booster.set_attr(**{"millrace.calibration": curve.to_json()})
    booster.save_model(path)
    matrix = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    before, after = plain.predict(matrix), read_model(path).predict(matrix)
    np.testing.assert_array_equal(after, curve.apply(before))
    assert after.dtype == np.float32
    assert (np.diff(after[np.argsort(before)]) >= 0).all()
