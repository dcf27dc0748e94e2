"""Runs the trials of a search as tasks of a Ray cluster: the folds lie once in its object store, each task tries one set of parameters.

The one module of training that knows Ray. The cluster is that of RAY_ADDRESS; without it, one of this machine is started.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import ray as untyped

from training.fitting.folds import FoldFound, FoldRows, try_fold
from training.fitting.model import ModelParams
from training.fitting.search import Search

ray: Any = untyped


class RayTrials:
    """Tries parameters on a cluster, as many at once as it has CPUs.

    Args:
        folds: The newest first.
        seed: For XGBoost.
        most: How many trials there will be at the most.
    """

    def __init__(self, folds: Sequence[FoldRows], seed: int, most: int) -> None:
        self._folds, self._seed, self._most = folds, seed, most

    def __enter__(self) -> Self:
        self._ours = not ray.is_initialized()
        if self._ours:
            ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
        self.nodes = sum(node["Alive"] for node in ray.nodes())
        self.at_once = max(1, min(int(ray.cluster_resources().get("CPU", 1)), self._most))
        self._stored = [ray.put(fold) for fold in self._folds if fold.is_told]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stored = []
        if self._ours:
            ray.shutdown()

    def asked(self, search: Search) -> Search:
        """Return the search with as many trials at once."""
        return replace(search, at_once=self.at_once)

    def __call__(self, params: Sequence[ModelParams]) -> list[list[FoldFound]]:
        """Try each set of parameters on every fold; none is given up early, for nothing is known before the end."""
        # A task has one CPU, so a fit has one thread.
        tasks = [_try.remote(replace(one, nthread=1), self._seed, *self._stored) for one in params]
        found: list[list[FoldFound]] = ray.get(tasks)
        return found


@ray.remote(num_cpus=1)
def _try(params: ModelParams, seed: int, *folds: Any) -> list[FoldFound]:
    return [try_fold(fold, params, seed) for fold in folds]
