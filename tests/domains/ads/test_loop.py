"""A second domain through the same commands: other entities (one view has two), columns, functions and slides.

The loop runs once, in its own process: backfill and materialize with Spark; a stream of two shards fed out of order, twice
in part, with bad events, killed with SIGKILL twice and started again; then Redis is held against the feature logs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
VIEWS = {"ad_quality", "ad_traffic", "user_activity", "user_and_ad"}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the loop said at its end."""
    data = tmp_path_factory.mktemp("ads")
    script = Path(__file__).with_name("run_stream.py")
    env = os.environ | {"PYTHONWARNINGS": "ignore", "SPARK_MASTER": "local[2]", "SPARK_DRIVER_MEMORY": "1g"}
    done = subprocess.run(
        [sys.executable, str(script), str(data)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_every_view_is_backfilled_and_stored(loop: dict[str, Any]) -> None:
    assert loop["views"] == 4
    assert set(loop["filled"]) == set(loop["stored"]) == VIEWS
    assert min([*loop["filled"].values(), *loop["stored"].values()]) > 20


def test_online_equals_offline_for_every_value_of_every_entity(loop: dict[str, Any]) -> None:
    different = {name: found for name, found in loop["agreement"].items() if found[0] != found[2]}
    assert different == {}


def test_every_feature_was_looked_at_and_had_values(loop: dict[str, Any]) -> None:
    assert {name.partition(":")[0] for name in loop["agreement"]} == VIEWS
    assert all(present >= 5 for _, present, _, _ in loop["agreement"].values()), loop["agreement"]


def test_parity_changes_nothing_compares_what_both_sides_know_and_says_what_it_left_out(loop: dict[str, Any]) -> None:
    told = loop["checked"]["told"]
    assert (loop["checked"]["code"], loop["checked"]["changed"]) == (0, []), told
    compared = re.search(r"([\d,]+) of ([\d,]+) values agree", told)
    assert compared is not None
    assert compared[1] == compared[2]
    assert int(compared[1].replace(",", "")) > 300
    assert re.search(
        r"left out: [1-9]\d* rows later than the stream is complete, \d+ entities that are not online", told
    )


def test_bad_events_went_to_the_dead_letter_log_with_their_reasons(loop: dict[str, Any]) -> None:
    assert loop["dead"] == ["Expecting value: line 1 column 1 (char 0)", "ad_id is missing"]
