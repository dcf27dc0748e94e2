"""Command line: ``python -m simulator --out file.parquet`` writes the transactions of a world to one file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from simulator.generator import World, generate


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a world's transactions and print what was written; return the process's exit code."""
    default = World()
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    parser.add_argument("--customers", type=int, default=default.customers)
    parser.add_argument("--terminals", type=int, default=default.terminals)
    parser.add_argument("--days", type=int, default=default.days)
    parser.add_argument("--start", type=date.fromisoformat, default=default.start, help="first UTC day, YYYY-MM-DD")
    parser.add_argument("--seed", type=int, default=default.seed)
    options = parser.parse_args(arguments)
    try:
        world = World(options.customers, options.terminals, options.days, options.start, options.seed)
    except ValueError as problem:
        parser.error(str(problem))
    table = generate(world)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, options.out, compression="zstd")
    frauds = pc.sum(table["is_fraud"]).as_py() or 0
    print(world)
    print(
        f"{table.num_rows:,} transactions, {frauds:,} frauds ({frauds / max(table.num_rows, 1):.2%}) -> {options.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
