"""Scoring over HTTP, side by side in one run: ours with lookups, Ray Serve as it comes, one FastAPI process.

    python benchmarks/scoring.py [--service fraud_v1] [--rounds 3] [--seconds 5]

Ours scores transactions of customers and terminals whose features are in Redis; the peers get the finished vector. All
three run the same model. Rounds are interleaved; medians and their ratios are printed. Ratios count, times do not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workspace.ports import free_port
from workspace.redis_server import start_redis
from workspace.workspace import Workspace, open_store, read_declarations

sys.path.insert(0, str(Path(__file__).parent))
from scoring_load import Load, run_load

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
CUSTOMERS, TERMINALS, REQUESTS = 5000, 2000, 2000
YAML = """
project: bench
provider: local
registry: {data}/registry.db
online_store: {{type: stores.redis_online.MillraceRedisOnlineStore, connection_string: "{redis}"}}
offline_store: {{type: dask}}
entity_key_serialization_version: 3
"""


def prepare(folder: Path, redis: str, service: str) -> tuple[Workspace, Path, int]:
    """Apply the shipped declarations, fill Redis, train a model; return where things are and how many columns there are."""
    from contract.service import read_service

    (folder / "feature_store.yaml").write_text(YAML.format(data=folder, redis=redis))
    repo = folder / "feature_repo"
    shutil.copytree(ROOT / "feature_repo", repo)
    (repo / "serving.yaml").write_text(
        f"service: {service}\npolicy: {{thresholds: [{{below: 0.5, decide: approve}}, {{decide: decline}}]}}\n"
    )
    workspace = Workspace(repo, folder, folder / "feature_store.yaml")
    os.environ["MILLRACE_DATA"] = str(folder)
    declared = read_declarations(workspace)
    store = open_store(workspace)
    views = [*declared.feature_views, *declared.stream_feature_views, *declared.on_demand_feature_views]
    store.apply([*declared.data_sources, *declared.entities, *views, *declared.feature_services])
    definition = read_service(store, service)
    fill(store, definition)
    columns = [name for name, kind in definition.features if kind in ("int64", "float64", "float32")]
    return workspace, train(workspace, service, columns), len(columns)


def fill(store: object, definition: object) -> None:
    """Write one row of every looked-up view for every customer or terminal."""
    import pyarrow as pa

    from stores.cells.layout import layout_of
    from stores.redis.connection import connect
    from stores.redis.writer import OnlineWriter

    client = connect(store.config.online_store.connection_string)  # type: ignore[attr-defined]
    generator = np.random.default_rng(1)
    makers = {
        "INT64": lambda n: pa.array(generator.integers(0, 50, n)),
        "DOUBLE": lambda n: pa.array(generator.gamma(2.0, 30.0, n)),
        "UNIX_TIMESTAMP": lambda n: pa.array([datetime.now(UTC) - timedelta(hours=1)] * n),
        "DOUBLE_LIST": lambda n: pa.array([generator.gamma(2.0, 30.0, 10) for _ in range(n)]),
        "INT64_LIST": lambda n: pa.array([generator.integers(1, TERMINALS, 10) for _ in range(n)]),
    }
    for view in definition.stored:  # type: ignore[attr-defined]
        layout = layout_of(view.view, store.config)  # type: ignore[attr-defined]
        key = layout.join_keys[0][0]
        count = CUSTOMERS if key == "customer_id" else TERMINALS
        table = {key: pa.array(range(count)), "event_timestamp": pa.array([datetime.now(UTC)] * count)}
        table |= {name: makers[value_type](count) for name, value_type in layout.features if name != key}
        OnlineWriter(client, layout).write(pa.table(table), "event_timestamp")


def train(workspace: Workspace, service: str, columns: list[str]) -> Path:
    """Write a model of a usual size (100 trees of depth 6) as the training does."""
    import xgboost

    from contract.model_file import save_model, set_current

    generator = np.random.default_rng(2)
    X: npt.NDArray[np.float32] = generator.normal(size=(5000, len(columns))).astype(np.float32)
    y = (X[:, 0] + generator.normal(size=len(X)) > 0).astype(float)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, xgboost.DMatrix(X, label=y), 100)
    saved = save_model(
        booster,
        workspace.models,
        service=service,
        columns=tuple(columns),
        label="transactions:is_fraud",
        metrics={"rows": len(X)},
        split={"train_from": "2026-01-01"},
        trained_at=datetime.now(UTC),
    )
    set_current(workspace.models, service, saved.version)
    return saved.path


@contextmanager
def process(*command: str, environment: dict[str, str] | None = None, until: str) -> Iterator[str]:
    """Run a server until the block ends; give the line that said it is ready."""
    env = {**os.environ, **(environment or {})}
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", *command],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=None if "serving" in command else subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            if until in line:
                yield line
                break
        else:
            raise SystemExit(f"{' '.join(command)} ended before it was ready, with {server.wait()}")
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def measure(service: str, rounds: int, seconds: float, connections: int) -> dict[str, list[Load]]:
    """Start everything, load each server in turn, `rounds` times."""
    results: dict[str, list[Load]] = {}
    with ExitStack() as stack:
        redis = stack.enter_context(start_redis())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mr-bench-")))
        workspace, model, width = prepare(folder, redis.connection_string, service)
        generator = np.random.default_rng(3)
        keys = zip(generator.integers(0, CUSTOMERS, REQUESTS), generator.integers(0, TERMINALS, REQUESTS), strict=True)
        requests = [{"customer_id": int(c), "terminal_id": int(t), "amount": 42.5} for c, t in keys]
        vectors = [{"values": generator.normal(size=width).round(6).tolist()} for _ in range(REQUESTS)]
        environment = workspace.environment()
        said = stack.enter_context(process("-m", "serving", "--port", "0", environment=environment, until="/v1/score"))
        targets: dict[str, tuple[str, list[object]]] = {"ours": (said.split()[1], list(requests))}
        for kind in ("ray", "fastapi"):
            port = free_port("127.0.0.1", 0)
            peers = str(HERE / "scoring_peers.py")
            stack.enter_context(process(peers, kind, str(port), str(model), until="ready"))
            targets[kind] = (f"http://127.0.0.1:{port}/", list(vectors))
        time.sleep(2)  # uvicorn says ready just before it listens
        for _ in range(rounds):
            for name, (url, bodies) in targets.items():
                results.setdefault(name, []).append(run_load(url, bodies, connections, seconds))
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="fraud_v1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    results = measure(options.service, options.rounds, options.seconds, options.connections)
    labels = {
        "ours": "Millrace, lookups and model",
        "ray": "Ray Serve as it comes, model only",
        "fastapi": "one FastAPI process, model only",
    }
    medians = {name: statistics.median(load.requests_per_second for load in loads) for name, loads in results.items()}
    print(f"{options.service}, {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s")
    print(f"{'':36}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'ours is':>9}")
    for name, loads in results.items():
        p50, p99 = (statistics.median(getattr(load, field) for load in loads) for field in ("p50_ms", "p99_ms"))
        errors = sum(load.errors for load in loads)
        ratio = "" if name == "ours" else f"{medians['ours'] / medians[name]:.1f}x"
        print(f"{labels[name]:36}{medians[name]:12,.0f}{p50:9.1f}{p99:9.1f}{errors:8}{ratio:>9}")


if __name__ == "__main__":
    main()
