"""Trials on a cluster of two nodes find what they find here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from training.fitting.folds import FoldRows, try_fold
from training.fitting.model import ModelParams
from training.fitting.search import Search, search

pytestmark = pytest.mark.slow

START = ModelParams(max_bin=64, nthread=1)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two nodes with a CPU each, on this machine."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    yield
    nodes.shutdown()


def test_trials_run_side_by_side_on_both_nodes(cluster: None, tmp_path: Path) -> None:
    from training.fitting.on_ray import RayTrials

    random = np.random.default_rng(1)
    x = random.normal(size=(600, 3)).astype("float32")
    labels, none = (x[:, 0] + random.normal(size=600) > 1).astype("int64"), np.zeros(0, dtype="int64")
    folds = [FoldRows("binary", x[:300], labels[:300], none, x[300:], labels[300:], none)]
    with RayTrials(folds, seed=7, most=8) as trials:
        assert (trials.nodes, trials.at_once) == (2, 2)
        found = search(folds, START, trials.asked(Search(4, 7, tmp_path / "study.db", "study")), lambda _: None, trials)
    assert found.trials == (4, 0)
    assert found.values == (try_fold(folds[0], found.params, 7).value,)
    assert found.value >= found.without
