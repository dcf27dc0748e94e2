"""How long answers take at rates that are kept, from a lone request now and then up to what the service can do.

    python -m benchmarks.serving_rates [--service fraud_v2] [--seconds 6]

An open loop: latencies count from when each request was due. The highest rate is that of a closed loop of 64 connections.
"""

from __future__ import annotations

import argparse

from benchmarks.open_load import finish, start_load
from benchmarks.scoring_load import run_load
from benchmarks.serving_faults import BUDGET_MS, staged


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="fraud_v2")
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    with staged(options.service, 1) as stage:
        highest = run_load(stage.url, stage.bodies, 64, options.seconds).requests_per_second
        print(f"{options.service}: {highest:,.0f} requests a second at most, budget {BUDGET_MS} ms")
        print(f"{'rate':>8}{'of it':>7}{'answered':>10}{'429/503':>9}{'p50':>8}{'p99':>8}{'max ms':>8}")
        for rate in (50.0, 200.0, *(share * highest for share in (0.3, 0.5, 0.7, 0.85, 1.2))):
            one = finish(start_load(stage.url, stage.bodies, rate, options.seconds, 256))
            refused = sum(one.statuses.get(status, 0) for status in ("429", "503"))
            print(
                f"{rate:8,.0f}{rate / highest:7.0%}{one.answered:10,}{refused:9,}{one.p50_ms:8.1f}{one.p99_ms:8.1f}{one.max_ms:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
