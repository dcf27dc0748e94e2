"""Trains a model from the command line: `python -m training`; the feature repo and its data come from the environment.

REPO, MILLRACE_DATA and MILLRACE_YAML say where things are (`workspace.workspace`), SERVICE which feature service.
"""

from __future__ import annotations

import argparse
import os
import sys

from training.errors import TrainingError
from workspace.workspace import Workspace, WorkspaceError


def main(arguments: list[str] | None = None) -> int:
    """Train, print a short table and return the exit code: 0, or 1 with what to write instead."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if bool(asked.train) != bool(asked.test):
        parser.error(
            "--train and --test go together, such as --train 2018-07-25:2018-08-01 --test 2018-08-08:2018-08-15"
        )
    # Imported here, so that --help costs nothing: the libraries take seconds.
    from training.run import train
    from training.split import TemporalSplit
    from training.table import format_table

    try:
        result = train(
            Workspace.from_env(),
            service=asked.service,
            split=TemporalSplit.parse(asked.train, asked.test) if asked.train else None,
            train_days=asked.train_days,
            test_days=asked.test_days,
            seed=asked.seed,
            threshold=asked.threshold,
            k=asked.k,
            limit=asked.limit,
        )
    except (TrainingError, WorkspaceError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    print(format_table(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train and test a feature service's model.")
    add = parser.add_argument
    add(
        "--service",
        default=os.environ.get("SERVICE") or None,
        help="feature service (SERVICE=); the last with a label when not given, v10 after v2",
    )
    add("--train", metavar="FROM:TO", help="days to train on, such as 2018-07-25:2018-08-01; TO is exclusive")
    add("--test", metavar="FROM:TO", help="days to test on; starts after a gap as long as a label takes to be known")
    add("--train-days", type=int, default=7, help="days to train on when no span is given (default 7)")
    add("--test-days", type=int, default=7, help="days to test on when no span is given (default 7, the last ones)")
    add("--threshold", type=float, help="alert threshold in [0, 1]; chosen on held-out training rows when not given")
    add("--k", type=int, default=100, help="for the precisions at k (default 100)")
    add("--limit", type=int, help="at most this many events each, spread evenly, for a quick look")
    add("--seed", type=int, default=7, help="XGBoost's seed (default 7)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
