"""Searches for the parameters that do best on folds in the order of time: Optuna's TPE, with early stopping and pruning.

The first trial is what would be fitted without a search, so a search cannot end with something that did worse on the folds. The
study lies in an SQLite file: what was tried is not tried again after a stop, and the same seed gives the same result, stopped or
not, for every trial draws from a generator of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import TrainingError
from training.fitting.folds import MEASURES, MOST_ROUNDS, FoldFound, FoldRows, try_fold
from training.fitting.model import ModelParams

if TYPE_CHECKING:
    import optuna

Say = Callable[[str], None]
Try = Callable[[Sequence[ModelParams]], list[list[FoldFound]]]
"""Tries several sets of parameters on all folds at once, somewhere else."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to search.

    Attributes:
        trials: How many sets of parameters to try, those of an earlier run of this study among them.
        seed: Equal seeds try the same.
        file: The SQLite file of studies.
        study: The study's name: equal for equal folds, data and seed only.
        at_once: How many trials are drawn before any of them is known, for those that run side by side.
    """

    trials: int
    seed: int
    file: Path
    study: str
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        params: The best parameters; `rounds` is the mean of the folds' best.
        value: What they reached, the mean over the folds.
        without: What the parameters reach that are fitted without a search.
        measure: What was measured.
        values: The best trial's value on each fold, the newest first.
        trials: How many were tried, and of them how many given up early, as (tried, pruned).
        seconds: How long it took.
    """

    params: ModelParams
    value: float
    without: float
    measure: str
    values: tuple[float, ...]
    trials: tuple[int, int]
    seconds: float = field(compare=False)


def search(
    folds: Sequence[FoldRows], start: ModelParams, asked: Search, say: Say, elsewhere: Try | None = None
) -> Found:
    """Search, and return the best.

    Args:
        folds: The newest first.
        start: What is fitted without a search, and what the search leaves alone.
        asked: How.
        say: Told of each trial.
        elsewhere: Where trials run; here, one after the other, when None.

    Raises:
        TrainingError: No fold has labels that differ.
    """
    import optuna

    folds = [fold for fold in folds if fold.is_told]
    if not folds:
        raise TrainingError("search: no fold has labels that differ in both its parts; use longer spans, or TRIALS=0.")
    predicts, began = folds[0].predicts, time.perf_counter()
    study = _open(asked, predicts)
    tried = _finished(study)
    if not tried and all(one.state.is_finished() for one in study.get_trials(deepcopy=False)):
        study.enqueue_trial(_point(start, predicts))
    if tried:
        say(f"    {len(tried)} of {asked.trials} trials are there from before")
    new = 0
    while (done := len(_finished(study))) < asked.trials:
        # Of its own seed: a study that was stopped draws what it would have drawn.
        study.sampler = optuna.samplers.TPESampler(seed=asked.seed * 10_000 + done, n_startup_trials=8)
        batch = [study.ask() for _ in range(min(asked.at_once, asked.trials - done))]
        drawn = [draw(one, start, predicts) for one in batch]
        if elsewhere is None:
            for one, params in zip(batch, drawn, strict=True):
                _try_here(study, one, folds, params, asked.seed)
        else:
            for one, found in zip(batch, elsewhere(drawn), strict=True):
                _tell(study, one, found)
        new += len(batch)
        say(_progress(study, asked, (time.perf_counter() - began) / new, predicts))
    return _found(study, start, predicts, time.perf_counter() - began)


def draw(trial: optuna.trial.Trial, start: ModelParams, predicts: str) -> ModelParams:
    """Draw a set of parameters; those that are not named stay as they are at the start."""
    drawn: dict[str, Any] = {
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 30.0, log=True),
    }
    if predicts == "binary":
        drawn["scale_pos_weight"] = trial.suggest_float("scale_pos_weight", 1.0, 30.0, log=True)
    return replace(start, **drawn)


def _point(params: ModelParams, predicts: str) -> dict[str, Any]:
    names = ["max_depth", "learning_rate", "min_child_weight", "subsample", "colsample_bytree", "reg_lambda"]
    return {name: getattr(params, name) for name in [*names, *(["scale_pos_weight"] if predicts == "binary" else [])]}


def _open(asked: Search, predicts: str) -> optuna.study.Study:
    """Open the study; what a stopped run left half done is marked as failed, and drawn anew."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=asked.study,
        storage=_storage(asked.file),
        direction="minimize" if predicts == "regression" else "maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _storage(file: Path) -> optuna.storages.RDBStorage:
    """Open the file of studies; the system writes it out when it likes, so that a trial does not wait for the disk."""
    import optuna
    from sqlalchemy import event

    file.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    event.listen(storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    storage.engine.dispose()  # those that are open were opened before that
    return storage


def _try_here(
    study: optuna.study.Study, trial: optuna.trial.Trial, folds: Sequence[FoldRows], params: ModelParams, seed: int
) -> None:
    """Try parameters fold by fold, and give them up once they do worse than most did by then."""
    import optuna

    found: list[FoldFound] = []
    for place, fold in enumerate(folds):
        found.append(try_fold(fold, params, seed))
        trial.report(float(np.mean([one.value for one in found])), place)
        if place + 1 < len(folds) and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    _tell(study, trial, found)


def _tell(study: optuna.study.Study, trial: optuna.trial.Trial, found: Sequence[FoldFound]) -> None:
    trial.set_user_attr("rounds", [one.rounds for one in found])
    trial.set_user_attr("values", [one.value for one in found])
    study.tell(trial, float(np.mean([one.value for one in found])))


def _finished(study: optuna.study.Study) -> list[optuna.trial.FrozenTrial]:
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=states)


def _progress(study: optuna.study.Study, asked: Search, each: float, predicts: str) -> str:
    finished = _finished(study)
    last = finished[-1]
    value = "given up early" if last.state.name == "PRUNED" else f"{last.value:.4f}"
    left = asked.trials - len(finished)
    rest = f", about {max(1, round(left * each / 60))} min left" if left else ""
    return (
        f"    trial {len(finished)} of {asked.trials}: {value}, best {MEASURES[predicts]} {study.best_value:.4f}{rest}"
    )


def _found(study: optuna.study.Study, start: ModelParams, predicts: str, seconds: float) -> Found:
    best, finished = study.best_trial, _finished(study)
    pruned = sum(one.state.name == "PRUNED" for one in finished)
    rounds = max(1, round(float(np.mean(best.user_attrs["rounds"]))))
    first = next(one for one in finished if one.state.name == "COMPLETE")
    return Found(
        params=replace(start, **best.params, rounds=min(rounds, MOST_ROUNDS)),
        value=study.best_value,
        without=float(first.value or 0.0),
        measure=MEASURES[predicts],
        values=tuple(best.user_attrs["values"]),
        trials=(len(finished), pruned),
        seconds=seconds,
    )
