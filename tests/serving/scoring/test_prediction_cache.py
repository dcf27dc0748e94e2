"""Scores that are remembered are those of the model, and no more of them than may be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from serving.scoring.prediction_cache import PredictionCache

Matrix = npt.NDArray[np.float32]


class Model:
    """Scores a vector as its sum, and counts the vectors."""

    scored = 0

    def __call__(self, matrix: Matrix) -> npt.NDArray[np.float32]:
        self.scored += len(matrix)
        return np.nansum(matrix, axis=1, dtype=np.float32)


def test_scores_are_the_models_whatever_is_remembered() -> None:
    generator = np.random.default_rng(1)
    cache, model = PredictionCache(50), Model()
    for _ in range(200):
        matrix = generator.integers(0, 3, (8, 4)).astype(np.float32)
        matrix[matrix == 2] = np.nan
        assert cache.predict("v1", matrix, model) == np.nansum(matrix, axis=1).tolist()
    stats = cache.stats()
    assert stats.hits + stats.misses == 1600
    assert stats.misses == model.scored < 1000
    assert stats.entries == 50


def test_another_version_is_another_score() -> None:
    cache, matrix = PredictionCache(10), np.ones((1, 2), np.float32)
    assert cache.predict("v1", matrix, Model()) == [2.0]
    assert cache.predict("v2", matrix, lambda given: np.zeros(len(given), np.float32)) == [0.0]
    assert cache.predict("v1", matrix, Model()) == [2.0]


def test_zero_and_minus_zero_are_different_vectors() -> None:
    cache, model = PredictionCache(10), Model()
    for one in (0.0, -0.0):
        cache.predict("v1", np.full((1, 1), one, np.float32), model)
    assert model.scored == 2


def test_what_was_used_last_is_kept() -> None:
    cache, model = PredictionCache(2), Model()
    for one in (1.0, 2.0, 1.0, 3.0, 1.0):
        cache.predict("v1", np.full((1, 1), one, np.float32), model)
    assert (cache.stats().hits, cache.stats().misses) == (2, 3)
