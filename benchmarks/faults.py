"""What a stream survives: faults caused against the real process, real Redis servers and the real recovery store.

`python -m benchmarks.faults [--repo feature_repo] [--events 20000] [--kills 50] [--away 30] [--only killed emptied ...]`. Each
fault has a run of its own over the same replay: ten days, two partitions, events out of order, a twentieth sent twice. What
the online store holds in the end is compared with a run that nothing disturbed: every value, byte for byte, and every row's
time; and every event must have landed in the lake.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import redis

from benchmarks.fault_stage import FaultError, Stage, State, open_stage
from commands.table import show_table
from pipelines.stream.sinks import land_events
from workspace.ports import free_port
from workspace.redis_server import HOST, find_redis_server, start_redis

STEPS = 60


def main() -> None:
    """Cause each fault, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, default=Path("feature_repo"))
    parser.add_argument("--events", type=int, default=20_000, help="of each topic")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--away", type=float, default=30, help="seconds that a server is stopped")
    parser.add_argument("--only", nargs="*", choices=list(FAULTS), default=list(FAULTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wanted = run("undisturbed", given, Path(folder), lambda stage, _: drive(stage))[1]
        rows = [("nothing", "0", f"{len(wanted):,} entities, {sum(map(len, wanted.values())):,} cells", "-", "-", "-")]
        for name in given.only:
            print(f"{name} ...", flush=True)
            try:
                stage, got = run(name, given, Path(folder), FAULTS[name])
                times = [f"{pick(stage.outages):.1f}" for pick in (statistics.median, max)]
                rows.append((name, str(stage.times or len(stage.outages)), *compare(wanted, got), " / ".join(times)))
            except FaultError as error:
                print(f"{name}: {error}", flush=True)
                rows.append((name, "-", "-", "FAILED", "-", "-"))
            show_table(HEAD, rows)
    if any(row[3] not in ("-", "0") for row in rows):
        sys.exit(1)


HEAD = ("fault", "times", "in the end", "values lost", "other times", "s until well, median / most")


def compare(wanted: State, got: State) -> tuple[str, str, str]:
    """Return what there is, how many values differ, and how many times of rows, in words."""
    cells = [(key, name) for key in wanted for name in wanted[key]]
    differ = [(key, name) for key, name in cells if got.get(key, {}).get(name) != wanted[key][name]]
    times = sum(name.startswith(b"_ts:") for _, name in differ)
    more = sum(name not in wanted.get(key, {}) for key in got for name in got[key])
    said = f"{len(got):,} entities, {sum(map(len, got.values())):,} cells"
    return said, f"{len(differ) - times + more:,}", f"{times:,}"


def run(
    name: str, given: argparse.Namespace, folder: Path, fault: Callable[[Stage, argparse.Namespace], None]
) -> tuple[Stage, State]:
    """Run the replay with a fault."""
    with (
        sentinel_for(name) as (options, port),
        open_stage(given.repo.resolve(), folder / name, given.events, STEPS, options, port) as stage,
    ):
        fault(stage, given)
        return stage, stage.finish()


def drive(stage: Stage, steps: int = STEPS // 2, **settings: str) -> None:
    """Start the stream, and publish the first steps of the replay, each once the one before is stored."""
    stage.start(FRESH="1", **settings)
    for _ in range(steps):
        stage.publish()
        stage.wait(stage.complete)


def killed(stage: Stage, given: argparse.Namespace) -> None:
    """Kill the stream at random moments: while it starts, reads, writes, and writes its snapshot."""
    random = np.random.default_rng(5)
    drive(stage, 1)
    for number in range(given.kills):
        if number * STEPS >= (stage.at - 1) * given.kills:
            stage.publish()
        time.sleep(random.uniform(0, 1.5))
        stage.kill()
        stage.start()
        if random.random() < 0.7:  # else it may be killed before it has begun
            stage.outages.append(stage.wait(stage.complete))
        else:
            time.sleep(random.uniform(0, 4))
    stage.times = given.kills


def rescaled(stage: Stage, given: argparse.Namespace) -> None:
    """Kill the stream, and let it go on with two shards and workers; then with three; then with one again."""
    drive(stage, 5)
    for number in ("2", "3", "1"):
        stage.publish()
        stage.kill()
        stage.start(SHARDS=number, WORKERS=number)
        stage.outages.append(stage.wait(stage.complete))
        for _ in range(5):
            stage.publish()
            stage.wait(stage.complete)


def stopped(stage: Stage, given: argparse.Namespace) -> None:
    """Stop the online store for a while, events going on meanwhile."""
    drive(stage)
    pause(stage, stage.online.pid, given.away)


def broker_stopped(stage: Stage, given: argparse.Namespace) -> None:
    """Stop the broker for a while."""
    drive(stage)
    stage.publish()
    pause(stage, stage.broker.pid, given.away, publish=False)


def pause(stage: Stage, server: int, seconds: float, *, publish: bool = True) -> None:
    """Stop a server, let it go on, and note how long it takes until all is stored."""
    os.kill(server, signal.SIGSTOP)
    if publish:
        stage.publish()
    time.sleep(seconds)
    os.kill(server, signal.SIGCONT)
    stage.outages.append(stage.wait(stage.complete))


def emptied(stage: Stage, given: argparse.Namespace) -> None:
    """Restart the online store without its data, while the stream is idle and while it is busy."""
    drive(stage)
    for busy in (False, True):
        had = {(key, name) for key, cells in stage.rows().items() for name in cells}
        stage.online.stop()
        if busy:
            stage.publish()
        stage.online = start_redis(stage.online.port)
        stage.outages.append(
            stage.wait(
                lambda had=had: (  # type: ignore[misc]
                    stage.complete() and had <= {(key, name) for key, cells in stage.rows().items() for name in cells}
                )
            )
        )


def emptied_while_down(stage: Stage, given: argparse.Namespace) -> None:
    """Restart the online store without its data while the stream is down as well."""
    drive(stage)
    stage.kill()
    had = {(key, name) for key, cells in stage.rows().items() for name in cells}
    stage.online.stop()
    stage.online = start_redis(stage.online.port)
    stage.start()
    stage.outages.append(
        stage.wait(lambda: had <= {(key, name) for key, cells in stage.rows().items() for name in cells})
    )


def full(stage: Stage, given: argparse.Namespace) -> None:
    """Leave the online store no memory, `noeviction`, then give it some."""
    drive(stage)
    client = redis.Redis.from_url(stage.online.url)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1_000_000)
    stage.publish()
    stage.wait(lambda: "online store" in stage.log.read_text())
    client.config_set("maxmemory", 0)
    stage.outages.append(stage.wait(stage.complete))


def failed_over(stage: Stage, given: argparse.Namespace) -> None:
    """Kill the online store's master; its Sentinel makes the replica the next."""
    drive(stage)
    replica = start_redis(options=("--replicaof", HOST, str(stage.online.port)))
    client = redis.Redis.from_url(replica.url)
    stage.wait(lambda: client.info("replication").get("master_link_status") == "up")
    port = int(stage.store.config.online_store.connection_string.rpartition(":")[2])
    sentinel = redis.Redis(HOST, port)
    stage.wait(lambda: sentinel.execute_command("SENTINEL", "replicas", "mymaster"))  # it asks every ten seconds
    master, stage.online = stage.online, replica
    stage.publish()
    os.kill(master.pid, signal.SIGKILL)
    master.stop()
    stage.wait(lambda: client.info("replication")["role"] == "master")
    stage.outages.append(stage.wait(stage.complete))


def disk_full(stage: Stage, given: argparse.Namespace) -> None:
    """Let the stream's process write no file of more than 40 kB, then any again."""
    drive(stage)
    assert stage.process is not None
    resource.prlimit(stage.process.pid, resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    stage.publish()
    try:
        stage.wait(lambda: "recovery of" in stage.log.read_text())
        resource.prlimit(stage.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except FaultError:  # Bytewax's own store did not get its room: whoever keeps the stream running starts it again
        stage.start()
    stage.outages.append(stage.wait(stage.complete))


def trimmed(stage: Stage, given: argparse.Namespace) -> None:
    """Drop entries of the broker that were not read: the stream ends and says which; then heal it as it says."""
    drive(stage, STEPS * 5 // 6)  # by now there are events of all topics, those too that are known a week late
    stage.kill()
    stage.publish()
    client = redis.Redis.from_url(stage.broker.url)
    streams = [key for key in client.scan_iter() if client.type(key) == b"stream"]
    for key in streams:
        client.xtrim(key, maxlen=0, approximate=False)
    stage.publish()
    stage.start()
    process = stage.process
    assert process is not None
    process.wait(60)
    if "are gone" not in stage.log.read_text():
        raise FaultError("it does not say what is gone")
    stage.process = None
    began = time.monotonic()
    for plan in stage.tables():  # their producer has them
        events = stage.replay[plan.table.name]
        ts = events[plan.table.timestamp].cast("int64").to_numpy() + plan.table.known_after
        land_events(events.filter(ts < stage.steps[stage.at]), plan.table.lake, plan.table.timestamp)
    views = ",".join(plan.view for plan in stage.plans)
    for command in ("backfill", "materialize"):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "commands", command],
            env=os.environ | {"VIEWS": views},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    stage.start(FRESH="1", COLD="0")
    stage.wait(stage.complete)
    stage.outages.append(time.monotonic() - began)


@contextmanager
def sentinel_for(fault: str) -> Iterator[tuple[dict[str, str] | None, int | None]]:
    """Give the options of the online store: a group with a Sentinel, for the fault that needs one."""
    if fault != "failed_over":
        yield None, None
        return
    port, master = free_port(HOST), free_port(HOST)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind {HOST}\nsentinel monitor mymaster {HOST} {master} 1\n"
            "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"
        )
        process = subprocess.Popen(
            [str(find_redis_server()), str(file), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address = {"connection_string": f"{HOST}:{port}", "redis_type": "redis_sentinel"}
            yield address | {"sentinel_master": "mymaster"}, master
        finally:
            process.kill()
            process.wait()


FAULTS: dict[str, Callable[[Stage, argparse.Namespace], None]] = {
    "killed": killed,
    "rescaled": rescaled,
    "stopped": stopped,
    "broker_stopped": broker_stopped,
    "emptied": emptied,
    "emptied_while_down": emptied_while_down,
    "full": full,
    "failed_over": failed_over,
    "disk_full": disk_full,
    "trimmed": trimmed,
}


if __name__ == "__main__":
    main()
