"""The models that score for a service, and which of them scores whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from contract.model_aliases import CHAMPION
from serving.experiments.split import Split
from serving.scoring.features import FeatureBatch
from serving.scoring.model import Model
from serving.scoring.prediction_cache import PredictionCache
from stores.cells.column import Column


class Assignment:
    """Gives each request, by its columns, the index of its arm.

    Args:
        split: How.
    """

    def __init__(self, split: Split) -> None:
        self._split = split

    def __call__(self, request: Mapping[str, Column]) -> npt.NDArray[np.int8]:
        """Return the arms of some requests as places in the split's aliases."""
        return self._split.assign(request[self._split.unit].values)

    def stop(self, stopped: Collection[str]) -> None:
        """Give the units of these arms, and of no others, to the champion from now on."""
        self._split = replace(self._split, stopped=frozenset(stopped))


@dataclass(frozen=True, slots=True)
class Arms:
    """The models of one service.

    Attributes:
        models: By alias; the champion first, then the challengers that take part.
        assign: Who is scored by which; None where the champion scores all.
        shadows: By alias: models that score all as well, for the record only.
    """

    models: Mapping[str, Model]
    assign: Assignment | None = None
    shadows: Mapping[str, Model] | None = None

    @property
    def champion(self) -> Model:
        """The model that scores who is in no experiment."""
        return self.models[CHAMPION]

    def all_models(self) -> list[Model]:
        """Return every model, whether it decides or not."""
        return [*self.models.values(), *(self.shadows or {}).values()]

    def warm_up(self) -> None:
        """Score once with each model, for the first time costs more than those after it."""
        for model in self.all_models():
            model.predict(np.zeros((1, len(model.file.columns)), dtype=np.float32))

    def predict(
        self, features: FeatureBatch, cache: PredictionCache | None = None
    ) -> tuple[list[float], Sequence[int] | None]:
        """Score a batch, each request by its arm; return the scores, and the arms unless all are the champion's."""
        if self.assign is None:
            return _predict(self.champion, features.matrix(self.champion.file.columns), cache), None
        chosen = self.assign(features.request)
        scores = np.empty(features.size)
        for index, model in enumerate(self.models.values()):
            rows = np.flatnonzero(chosen == index)
            if len(rows):
                scores[rows] = _predict(model, features.matrix(model.file.columns)[rows], cache)
        return scores.tolist(), chosen.tolist()


def _predict(model: Model, matrix: npt.NDArray[np.float32], cache: PredictionCache | None) -> list[float]:
    if cache is None:
        scores: list[float] = model.predict(matrix).tolist()
        return scores
    return cache.predict(model.file.version, matrix, model.predict)
