"""Measures what an entity costs in Redis, and computes what a number of entities, events and reads needs.

    python -m benchmarks.growth --entities 100e6 --events 1e6 --reads 70e3

The first table is measured, on this machine. The second is computed from it, and each line says from what. The options name
what is assumed; give your own.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Final

from benchmarks.growth_costs import TYPES, Costs, measure
from commands.table import show_table

MEASURED: Final = ((8, "DOUBLE"), (16, "DOUBLE"), (50, "DOUBLE"), (16, "INT64"), (16, "STRING"), (16, "DOUBLE_LIST"))
HEAD: Final = (
    "features",
    "MEMORY USAGE",
    "memory, bytes",
    "write us",
    "one a call us",
    "client us",
    "read us",
    "client us",
    "write bytes",
    "read bytes",
)


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for, and what is assumed.

    Attributes:
        entities: How many there are.
        events: A second.
        reads: Requests a second.
        features: Of an entity, DOUBLE.
        rows: Entities' rows that an event changes, after those of one batch that are of the same entity were joined.
        per_read: Entities a request reads.
        replicas: Of each primary.
        node_gb: Memory of a machine of Redis.
        fill: How much of that is planned for data: a copy while it is saved, buffers and fragments need the rest.
        busy: How much of a core is planned for.
        worker_events: Events a second that a core of a stream worker computes.
        serving_requests: Requests a second that a core of serving scores.
    """

    entities: float = 100e6
    events: float = 1e6
    reads: float = 70e3
    features: int = 16
    rows: float = 2.0
    per_read: float = 2.0
    replicas: int = 1
    node_gb: float = 64.0
    fill: float = 0.6
    busy: float = 0.5
    worker_events: float = 60_000.0
    serving_requests: float = 1_700.0


def needs(load: Load, costs: Costs) -> list[tuple[str, str, str]]:
    """Return what a load needs: what, how much, and from what that follows."""
    copies = 1 + load.replicas
    bytes_held = load.entities * costs.held
    rows, read = load.events * load.rows, load.reads * load.per_read
    writing, reading = rows * costs.write_alone_us / 1e6, read * costs.read_us / 1e6
    by_cpu = math.ceil((writing + reading) / load.busy)
    by_memory = math.ceil(bytes_held / (load.node_gb * 1e9 * load.fill))
    network = (rows * costs.write_bytes * copies + read * costs.read_bytes) * 8 / 1e9
    clients = (rows * costs.write_client_us + read * costs.read_client_us) / 1e6 / load.busy
    return [
        ("memory of the primaries", f"{bytes_held / 1e9:,.0f} GB", f"{costs.held:,.0f} bytes an entity"),
        ("memory with replicas", f"{bytes_held * copies / 1e9:,.0f} GB", f"{load.replicas} of each primary"),
        ("machines by memory", f"{by_memory * copies:,}", f"{load.node_gb:g} GB each, {load.fill:.0%} of it data"),
        ("rows written", f"{rows:,.0f} /s", f"{load.rows:g} rows an event"),
        ("Redis, writing", f"{writing:,.1f} cores", f"{costs.write_alone_us:.1f} us a row, one a call"),
        ("Redis, reading", f"{reading:,.1f} cores", f"{costs.read_us:.1f} us an entity, {load.per_read:g} a request"),
        ("primaries by time", f"{by_cpu:,}", f"a core each, {load.busy:.0%} of it planned"),
        ("primaries", f"{max(by_cpu, by_memory):,}", "the larger of the two"),
        ("network of Redis", f"{network:,.1f} Gbit/s", f"{costs.write_bytes:,.0f} and {costs.read_bytes:,.0f} bytes"),
        ("clients of Redis", f"{math.ceil(clients):,} cores", "part of the workers and of serving below"),
        (
            "stream workers",
            f"{math.ceil(load.events / load.worker_events / load.busy):,} cores",
            f"{load.worker_events:,.0f} events/s a core",
        ),
        (
            "serving",
            f"{math.ceil(load.reads / load.serving_requests / load.busy):,} cores",
            f"{load.serving_requests:,.0f} requests/s a core",
        ),
    ]


def line_of(features: int, value_type: str, costs: Costs) -> tuple[str, ...]:
    """Return what was measured of one view as a line of the table."""
    whole = (costs.usage, costs.held)
    times = (costs.write_us, costs.write_alone_us, costs.write_client_us, costs.read_us, costs.read_client_us)
    sent = (costs.write_bytes, costs.read_bytes)
    numbers = [*(f"{one:,.0f}" for one in whole), *(f"{one:.1f}" for one in times), *(f"{one:,.0f}" for one in sent)]
    return (f"{features} {value_type} ({TYPES[value_type]})", *numbers)


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in Load.__dataclass_fields__:
        kind = int if name in ("features", "replicas") else float
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=Load.__dataclass_fields__[name].default)
    load = Load(**vars(parser.parse_args()))
    found = {which: measure(*which) for which in dict.fromkeys((*MEASURED, (load.features, "DOUBLE")))}
    print("an entity, of one view; us are those of a core")
    show_table(HEAD, [line_of(*which, costs) for which, costs in found.items()])
    print(f"\n{load.entities:,.0f} entities, {load.events:,.0f} events/s, {load.reads:,.0f} reads/s")
    show_table(("needed", "how much", "from"), needs(load, found[load.features, "DOUBLE"]))


if __name__ == "__main__":
    main()
