"""What callers of the scoring service see while something behind it breaks.

    python -m benchmarks.serving_faults [--service fraud_v2] [--rate 300] [--seconds 9] [--only redis_killed ...]

An open loop (`make load`) keeps its rate for all of the time; the fault begins after a third of it and ends after two thirds.
Latencies count from when each request was due. Overload has no such middle: three times what the service can do, 512 connections; its latencies count from when
requests were sent, since they wait for a free connection before that.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.open_load import Measured, finish, start_load
from benchmarks.scoring import CUSTOMERS, REQUESTS, TERMINALS, prepare, process, train
from contract.model_file import load_model, set_current
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace

BUDGET_MS = 250


@dataclass
class Stage:
    """A running service, its store, and what is sent to it."""

    workspace: Workspace
    redis: RedisServer
    url: str
    pid: int
    service: str
    versions: list[str]
    bodies: list[Any]

    def replicas(self) -> list[psutil.Process]:
        """The processes of its replicas."""
        found = []
        for one in psutil.Process(self.pid).children(recursive=True):
            try:
                if any("ServeReplica" in part for part in one.cmdline()):
                    found.append(one)
            except psutil.Error:
                continue
        return found


def nothing(_: Stage) -> Iterator[None]:
    """Nothing breaks."""
    yield


def redis_killed(stage: Stage) -> Iterator[None]:
    """The store is killed, and comes back empty."""
    stage.redis.stop()
    yield
    stage.redis = start_redis(stage.redis.port)


def redis_hangs(stage: Stage) -> Iterator[None]:
    """The store takes connections and answers none."""
    server = next(one for one in psutil.Process().children() if f":{stage.redis.port}" in " ".join(one.cmdline()))
    server.send_signal(signal.SIGSTOP)
    yield
    server.send_signal(signal.SIGCONT)


def replica_killed(stage: Stage) -> Iterator[None]:
    """One of two replicas is killed."""
    stage.replicas()[0].kill()
    yield


def new_model(stage: Stage) -> Iterator[None]:
    """Another model becomes the champion, and then the first one again."""
    set_current(stage.workspace.models, stage.service, stage.versions[1])
    yield
    set_current(stage.workspace.models, stage.service, stage.versions[0])


def new_policy(stage: Stage) -> Iterator[None]:
    """The policy gets a rule, one that cannot be used, and then is what it was."""
    path = stage.workspace.repo / "serving.yaml"
    before = path.read_text()
    path.write_text(before.replace("thresholds:", "rules: [{name: x, when: amount > 1, decide: review}], thresholds:"))
    yield
    path.write_text(before.replace("thresholds:", "rules: [{name: x, when: amont > 1, decide: review}], thresholds:"))
    time.sleep(1)
    path.write_text(before)


FAULTS: dict[str, Callable[[Stage], Iterator[None]]] = {
    one.__name__: one for one in (nothing, redis_killed, redis_hangs, replica_killed, new_model, new_policy)
}


@contextmanager
def staged(service: str, replicas: int) -> Iterator[Stage]:
    """Start everything."""
    with ExitStack() as stack:
        redis = start_redis()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mr-faults-")))
        workspace, model, _ = prepare(folder, redis.connection_string, service)
        first = load_model(model)
        second = train(workspace, service, list(first.columns))
        set_current(workspace.models, service, first.version)
        yaml = workspace.repo / "serving.yaml"
        yaml.write_text(
            f"{yaml.read_text()}http: {{budget_ms: {BUDGET_MS}}}\nreplicas: {{min: {replicas}, max: {replicas}, num_cpus: 0.1}}\n"
        )
        environment = workspace.environment()
        said = stack.enter_context(process("-m", "serving", "--port", "0", environment=environment, until="/v1/score"))
        url = said.split()[1]
        port = int(url.split(":")[2].split("/")[0])
        pid = next(one.pid for one in psutil.Process().children() if "serving" in one.cmdline())
        generator = np.random.default_rng(3)
        keys = zip(generator.integers(0, CUSTOMERS, REQUESTS), generator.integers(0, TERMINALS, REQUESTS), strict=True)
        bodies = [{"customer_id": int(c), "terminal_id": int(t), "amount": 42.5} for c, t in keys]
        stage = Stage(
            workspace,
            redis,
            f"http://127.0.0.1:{port}/v1/score",
            pid,
            service,
            [first.version, second.parent.name],
            bodies,
        )
        stack.callback(lambda: stage.redis.stop())
        yield stage


def measure(stage: Stage, fault: str, rate: float, seconds: float) -> Measured:
    """Load the service, and cause a fault in the middle."""
    loading = start_load(stage.url, stage.bodies, rate, seconds, 64)
    time.sleep(seconds / 3)
    steps = FAULTS[fault](stage)
    next(steps)
    time.sleep(seconds / 3)
    next(steps, None)
    return finish(loading)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="fraud_v2")
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=9.0)
    parser.add_argument("--only", nargs="+", choices=[*FAULTS, "overload"], default=[*FAULTS, "overload"])
    options = parser.parse_args()
    print(f"{options.service}, {options.rate:g} requests a second, {options.seconds:g} s, budget {BUDGET_MS} ms")
    print(
        f"{'':16}{'answered':>9}{'degraded':>9}{'429/503':>9}{'other':>7}{'lost':>6}{'p50':>8}{'p99':>8}{'max ms':>8}"
    )
    for replicas in (1, 2):
        faults = [one for one in options.only if (one == "replica_killed") == (replicas == 2)]
        if not faults:
            continue
        with staged(options.service, replicas) as stage:
            finish(start_load(stage.url, stage.bodies, options.rate, 3.0, 64))
            for fault in faults:
                if fault == "overload":
                    highest = finish(start_load(stage.url, stage.bodies, 20_000, 4.0, 64)).a_second
                    one = finish(start_load(stage.url, stage.bodies, 3 * highest, options.seconds, 512))
                else:
                    one = measure(stage, fault, options.rate, options.seconds)
                _show(fault, one)


def _show(fault: str, one: Measured) -> None:
    refused = sum(one.statuses.get(status, 0) for status in ("429", "503"))
    other = sum(one.statuses.values()) - one.answered - refused
    times = (one.p50_ms, one.p99_ms, one.max_ms)
    if fault == "overload":
        times = (one.sent_p50_ms, one.sent_p99_ms, one.sent_max_ms)
    print(
        f"{fault:16}{one.answered:9,}{one.degraded:9,}{refused:9,}{other:7}{one.lost:6}"
        + "".join(f"{ms:8.1f}" for ms in times)
        + (f"   a refusal p99 {one.refused_p99_ms:.1f} ms" if refused else ""),
        flush=True,
    )


if __name__ == "__main__":
    main()
