"""Repos that lack a part: the loop runs as far as it has meaning, and says what it left out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
ADS = ROOT / "tests" / "domains" / "ads" / "feature_repo"

PLAIN = """
budgets = FeatureView(
    name="budgets",
    entities=[ad],
    source=feature_log("budgets"),
    schema=[Field(name="ad_id", dtype=String), Field(name="budget", dtype=Float64)],
)
"""


def part(views: str, first: str, last: str) -> str:
    """Return the lines from the one that begins with `first` up to the one that begins with `last`."""
    return views[views.index(f"\n{first}") : views.index(f"\n{last}")]


def run_repo(folder: Path, declarations: str, view: str) -> str:
    """Run the loop once on a repo of clicks that declares this much, and return what it said."""
    shutil.copytree(ADS, folder / "repo", ignore=shutil.ignore_patterns("__pycache__"))
    views = (ADS / "views.py").read_text()
    head = views[: views.index("\nuser_activity")]
    service = f'\nads_v1 = FeatureService(name="ads_v1", features=[{view}])\n'
    (folder / "repo" / "views.py").write_text(head + declarations + service)
    env = {**os.environ, "REPO": str(folder / "repo"), "MILLRACE_DATA": str(folder / "data"), "ONCE": "1"}
    env |= {"STREAM_DAYS": "1", "SPARK_MASTER": "local[1]", "SPARK_DRIVER_MEMORY": "1g"}
    env.pop("MILLRACE_YAML", None)
    done = subprocess.run(
        [sys.executable, "-m", "commands", "run"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


def values_that_agree(said: str) -> tuple[int, int]:
    """Return how many values agree, and how many were compared."""
    found = re.search(r"([\d,]+) of ([\d,]+) values agree", said)
    assert found, said
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_stream_views_alone_are_backfilled_streamed_and_compared(tmp_path: Path) -> None:
    views = (ADS / "views.py").read_text()
    said = run_repo(tmp_path, part(views, "ad_traffic", "user_and_ad"), "ad_traffic")
    agree, compared = values_that_agree(said)
    assert agree == compared > 100
    assert "left out: models and decisions: no serving.yaml; write at least 'service: <feature service>' there" in said
    assert "left out: daily batch job: no BatchFeatureView has aggregations" in said


def test_batch_views_alone_are_computed_and_stored(tmp_path: Path) -> None:
    views = (ADS / "views.py").read_text()
    said = run_repo(tmp_path, part(views, "clicks = ", "ads_v1"), "ad_quality")
    assert re.search(r"ad_quality +[\d,]+ rows", said)
    assert "left out: stream: no StreamFeatureView has aggregations" in said


def test_plain_views_alone_are_registered_and_told_who_loads_them(tmp_path: Path) -> None:
    said = run_repo(tmp_path, PLAIN, "budgets")
    assert "left out: budgets: no engine of ours computes it; `make materialize` loads its table" in said
    assert "left out: events: no view has aggregations, and no service a label; nothing to play" in said
