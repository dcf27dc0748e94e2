"""What a training run may be asked for beyond its service's declaration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contract.model_aliases import ALIAS, CHAMPION
from training.data.split import TemporalSplit
from training.errors import TrainingError
from training.fitting.model import ModelParams
from training.measures.costs import Costs


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The options of one run.

    Attributes:
        split: Training and test days; the last ones there are labels for when None.
        train_days: Days to train on, when no split is given.
        test_days: Days to test on, when no split is given.
        params: What to fit with; what suits the kind of model when None.
        seed: For XGBoost; matters only with subsampling.
        threshold: The alert threshold of a binary model, in [0, 1]; chosen on training rows when None.
        k: For the precisions at k.
        limit: At most this many events to train on and to test on, spread evenly; all when None.
        alias: What the model is to be known as, for an experiment; it becomes the champion when None.
        known_since: Keys that were positive since then leave the test, where the service names a key; the first training
            day when None.
        costs: What a missed positive and an alert cost; what the service's tag says when None.
        segments: Columns by whose parts the model is measured; those of the service's tag when empty.
        history: Whether to train on all days there are labels for before the gap; of a split that is given, whether the folds
            of a search begin where it begins, too.
        trials: How many sets of parameters a search tries; none is searched for when 0.
        folds: How many folds it tries them on.
        trials_on: `ray`, where trials run as tasks of a Ray cluster; here when None.
        negatives: The share of a binary model's negatives that is fitted to; that of `params` when None.
        from_served: Whether rows are recorded decisions with the features as they were served, in place of point-in-time joins.

    Raises:
        TrainingError: The threshold is not a probability, or the alias cannot be one.
    """

    split: TemporalSplit | None = None
    train_days: int = 7
    test_days: int = 7
    params: ModelParams | None = None
    seed: int = 7
    threshold: float | None = None
    k: int = 100
    limit: int | None = None
    alias: str | None = None
    known_since: datetime | None = None
    costs: Costs | None = None
    segments: tuple[str, ...] = ()
    history: bool = False
    trials: int = 0
    folds: int = 4
    trials_on: str | None = None
    negatives: float | None = None
    from_served: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise TrainingError(
                f"threshold {self.threshold} is not a probability; write one in [0, 1], such as THRESHOLD=0.5."
            )
        if self.trials_on not in (None, "ray"):
            raise TrainingError(f"TRIALS_ON={self.trials_on} is not known; write TRIALS_ON=ray, or leave it away.")
        if self.negatives is not None and not 0 < self.negatives <= 1:
            raise TrainingError(f"negatives {self.negatives} are no share; write one above 0, up to 1: NEGATIVES=0.2.")
        if self.alias is not None and (self.alias == CHAMPION or not ALIAS.fullmatch(self.alias)):
            raise TrainingError(
                f"alias {self.alias!r}: write small letters, digits and _, such as ALIAS=challenger; a champion is trained"
                " without one."
            )
