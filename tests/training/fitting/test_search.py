"""A search finds what is better, ends the same whether it was stopped or not, and is no worse than no search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest

from training.errors import TrainingError
from training.fitting.folds import FoldRows, try_fold
from training.fitting.model import ModelParams
from training.fitting.search import Found, Search, search

START = ModelParams(max_bin=64, nthread=1, max_depth=9, learning_rate=0.3)
TRIALS = 8
NONE = np.zeros(0, dtype="int64")


def fold(seed: int, predicts: str = "binary") -> FoldRows:
    """Return noisy rows: deep trees learn them by heart."""
    random = np.random.default_rng(seed)
    rows, lists = 600, np.repeat(np.arange(60), 10)
    x = random.normal(size=(2 * rows, 4)).astype("float32")
    signal = x[:, 0] + 0.5 * x[:, 1] + 1.5 * random.normal(size=2 * rows)
    labels = {"binary": signal > 1.5, "regression": signal, "ranking": np.clip(signal, 0, 3).astype("int64")}[predicts]
    labels = labels.astype("int64" if predicts != "regression" else "float64")
    groups = lists if predicts == "ranking" else NONE
    return FoldRows(predicts, x[:rows], labels[:rows], groups, x[rows:], labels[rows:], groups)


FOLDS = [fold(1), fold(2)]


def run(
    file: Path, trials: int, said: list[str] | None = None, folds: Sequence[FoldRows] = FOLDS, seed: int = 3
) -> Found:
    say = (lambda _: None) if said is None else said.append
    return search(folds, START, Search(trials, seed, file, "study"), say)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return run(tmp_path_factory.mktemp("search") / "whole.db", TRIALS)


def test_what_is_found_is_better_than_what_is_fitted_without_a_search(whole: Found) -> None:
    first = [try_fold(one, START, 3) for one in FOLDS]
    assert whole.without == pytest.approx(np.mean([one.value for one in first]))
    assert whole.value > whole.without
    again = [try_fold(one, whole.params, 3) for one in FOLDS]
    assert whole.values == pytest.approx([one.value for one in again])
    assert whole.params.rounds == round(np.mean([one.rounds for one in again]))
    assert whole.params.max_bin == START.max_bin


def test_trials_that_do_worse_than_most_are_given_up(whole: Found) -> None:
    tried, pruned = whole.trials
    assert tried == TRIALS
    assert pruned > 0


def test_search_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, whole: Found) -> None:
    file = tmp_path / "stopped.db"
    run(file, 4)
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{file}")
    study.ask()  # a trial that a kill leaves half done
    said: list[str] = []
    assert run(file, TRIALS, said) == whole
    assert said[0].strip() == "4 of 8 trials are there from before"
    assert said[-1].startswith("    trial 8 of 8: ")
    assert "min left" in said[1]


def test_other_seed_tries_something_else(tmp_path: Path) -> None:
    file, drawn = tmp_path / "study.db", []
    for seed in (3, 4):
        search(FOLDS[:1], START, Search(2, seed, file, f"seed {seed}"), lambda _: None)
        drawn.append(optuna.load_study(study_name=f"seed {seed}", storage=f"sqlite:///{file}").trials[1].params)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(("predicts", "better"), [("regression", -1), ("ranking", 1)])
def test_quantities_and_rankings_are_searched_for_as_well(tmp_path: Path, predicts: str, better: int) -> None:
    found = run(tmp_path / "study.db", 3, folds=[fold(1, predicts), fold(2, predicts)])
    assert better * found.value >= better * found.without
    assert found.params.scale_pos_weight == 1.0


def test_folds_without_both_classes_cannot_be_searched(tmp_path: Path) -> None:
    one = fold(1)
    empty = FoldRows("binary", one.train, one.train_labels * 0, NONE, one.valid, one.valid_labels, NONE)
    with pytest.raises(TrainingError, match="no fold has labels that differ"):
        run(tmp_path / "study.db", 2, folds=[empty])
