"""Writes the simulated world into the lake: what the shipped example trains on. `make simulate`."""

from __future__ import annotations

import os

from commands.settings import read_whole
from simulator.generator import generate
from simulator.lake import write_lake
from simulator.world import World
from workspace.workspace import Workspace


def main() -> None:
    """Simulate DAYS days of CUSTOMERS customers at TERMINALS terminals with a SEED, and land them."""
    workspace = Workspace.from_env()
    names = {"customers": "CUSTOMERS", "terminals": "TERMINALS", "days": "DAYS", "seed": "SEED"}
    given = {field: read_whole(name, 0) for field, name in names.items() if os.environ.get(name)}
    world = World(**given)  # type: ignore[arg-type]  # every field named is an int
    written = write_lake(generate(world), workspace.data / "lake")
    print(f"{written.transactions:,} transactions of {world.days} days from {world.start} in {workspace.data / 'lake'}")
