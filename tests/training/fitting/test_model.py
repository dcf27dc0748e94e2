"""The model file says itself what it is, and answers the same after a round trip."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract.calibration import Calibration
from contract.model_file import FILE, ModelFile, ModelFileError, current_version, load_model, save_model, set_current
from training.data.dataset import TrainingSet
from training.errors import TrainingError
from training.fitting.model import ModelParams, predict, train_model

AT = datetime(2024, 3, 11, 9, 30, 5, tzinfo=UTC)
COLUMNS = ("ad__views", "ad__rate")
FEW = ModelParams(rounds=5, nthread=1)


def training_set(rows: int = 400) -> TrainingSet:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(rows, 2)), columns=list(COLUMNS))
    frame["clicked"] = (frame["ad__views"] + 0.3 * random.normal(size=rows) > 1).astype("int64")
    frame.loc[::9, "ad__rate"] = np.nan
    frame["id"], frame["at"] = np.arange(rows), pd.date_range("2024-03-01", periods=rows, freq="h", tz="UTC")
    return TrainingSet("ads", frame, "clicked", COLUMNS, "id", "at", ("ad_id",))


def load_current(models: Path, service: str) -> ModelFile:
    return load_model(models / service / current_version(models, service) / FILE)


def save(
    models: Path, trained_at: datetime = AT, columns: tuple[str, ...] = COLUMNS, calibration: Calibration | None = None
) -> str:
    return save_model(
        train_model(training_set(), FEW),
        models,
        service="ads",
        columns=columns,
        label="clicks:clicked",
        metrics={"auroc": 0.75, "f1": None},
        split={"train_from": "2024-03-01"},
        trained_at=trained_at,
        calibration=calibration,
    ).version


def test_saved_model_loads_with_all_it_said_and_the_same_answers(tmp_path: Path) -> None:
    version = save(tmp_path)
    set_current(tmp_path, "ads", version)
    loaded = load_current(tmp_path, "ads")
    assert loaded.path == tmp_path / "ads" / version / "model.ubj"
    assert (loaded.service, loaded.columns, loaded.version, loaded.trained_at) == ("ads", COLUMNS, version, AT)
    assert (loaded.label, loaded.metrics["auroc"], loaded.metrics["f1"]) == ("clicks:clicked", 0.75, None)
    rows = training_set()
    np.testing.assert_array_equal(predict(loaded.booster, rows.matrix), predict(train_model(rows, FEW), rows.matrix))


def test_calibrated_model_answers_with_probabilities_and_an_older_one_as_before(tmp_path: Path) -> None:
    rows, curve = training_set(), Calibration(0.5, 0.7, -1.0)
    assert load_model(tmp_path / "ads" / save(tmp_path) / FILE).calibration is None
    loaded = load_model(tmp_path / "ads" / save(tmp_path, calibration=curve) / FILE)
    assert loaded.calibration == curve
    raw = predict(loaded.booster, rows.matrix)
    np.testing.assert_array_equal(loaded.predict(rows.matrix), curve.apply(raw))
    assert (np.argsort(loaded.predict(rows.matrix), kind="stable") == np.argsort(raw, kind="stable")).all()


def test_attributes_are_those_serving_reads(tmp_path: Path) -> None:
    said = load_model(tmp_path / "ads" / save(tmp_path) / "model.ubj").booster.attributes()
    assert json.loads(str(said["millrace.columns"])) == list(COLUMNS)
    assert said["millrace.trained_at"] == "2024-03-11T09:30:05+00:00"
    names = ("service", "columns", "version", "label", "metrics", "split", "trained_at", "predicts")
    assert set(said) == {f"millrace.{name}" for name in names}


def test_version_is_the_time_and_a_hash_of_the_bytes(tmp_path: Path) -> None:
    first, again = save(tmp_path / "a"), save(tmp_path / "b")
    assert first == again
    assert first.startswith("20240311T093005-")
    assert save(tmp_path, AT.replace(second=6)) != first


def test_current_stays_until_it_is_set(tmp_path: Path) -> None:
    first = save(tmp_path)
    set_current(tmp_path, "ads", first)
    later = save(tmp_path, AT.replace(hour=10))
    assert load_current(tmp_path, "ads").version == first
    set_current(tmp_path, "ads", later)
    assert (tmp_path / "ads" / "CURRENT").read_text().strip() == later
    assert not list((tmp_path / "ads").glob(".*"))


def test_version_that_was_not_saved_cannot_be_current(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"version nope has no model.ubj .*save the model first"):
        set_current(tmp_path, "ads", "nope")


def test_booster_without_attributes_is_refused(tmp_path: Path) -> None:
    train_model(training_set(), FEW).save_model(tmp_path / "plain.ubj")
    with pytest.raises(ModelFileError, match=r"lacks the attributes millrace.service, millrace.columns.*make train"):
        load_model(tmp_path / "plain.ubj")


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ubj").write_text("not a model")
    with pytest.raises(ModelFileError, match="is not an XGBoost model"):
        load_model(tmp_path / "text.ubj")


def test_missing_file_and_missing_current_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"does not exist, .*run `make train`"):
        load_model(tmp_path / "none.ubj")
    with pytest.raises(ModelFileError, match=r"ads: has no trained model .*run `make train`"):
        load_current(tmp_path, "ads")


def test_columns_that_are_not_the_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="1 columns for a model of 2"):
        save(tmp_path, columns=COLUMNS[:1])


def test_one_class_cannot_be_fitted() -> None:
    rows = training_set()
    with pytest.raises(TrainingError, match=r"0 of them positive; .* longer TRAIN span"):
        train_model(rows.where(rows.frame["clicked"] == 0), FEW)


def test_exact_trees_take_no_bins() -> None:
    assert "max_bin" not in ModelParams(tree_method="exact").for_xgboost(7)
    assert ModelParams().for_xgboost(7)["max_bin"] == 4096
