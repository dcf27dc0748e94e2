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
        history: Whether to train on all days there are labels for before the gap; for a split that is given it is moot.

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

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise TrainingError(
                f"threshold {self.threshold} is not a probability; write one in [0, 1], such as THRESHOLD=0.5."
            )
        if self.alias is not None and (self.alias == CHAMPION or not ALIAS.fullmatch(self.alias)):
            raise TrainingError(
                f"alias {self.alias!r}: write small letters, digits and _, such as ALIAS=challenger; a champion is trained"
                " without one."
            )
