"""Scores a table of requests, as POST /v1/score would score each now: same features, model and policy. `make score`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from commands.progress import Progress
from commands.settings import SettingError
from serving.config import load_config
from serving.request.columns import RequestColumns
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.scorer import Scored, Scorer
from workspace.files import replacing
from workspace.workspace import Workspace

ROWS = 4096
"""How many requests are scored together."""

ADDED = pa.schema(
    {
        "score": pa.float64(),
        "decision": pa.string(),
        "reasons": pa.list_(pa.string()),
        "model_version": pa.string(),
        "degraded": pa.bool_(),
    }
)
"""What is written beside the columns that were given."""


def main() -> None:
    """Score EVENTS, a Parquet file or folder with a column for each request field, and write it with its scores to OUT.

    Raises:
        SettingError: EVENTS, OUT or SERVICE is not what it must be.
        RequestError: A column is missing or does not fit, or a row lacks a value.
    """
    workspace = Workspace.from_env()
    config = load_config(workspace.repo / "serving.yaml")
    files, out = _files(os.environ.get("EVENTS", "")), Path(os.environ.get("OUT") or "scores.parquet")
    service = os.environ.get("SERVICE") or config.services[0]
    if service not in config.services:
        raise SettingError(f"SERVICE={service}: is not served; write one of {', '.join(config.services)}.")
    setup = SetupReader(workspace.models, config.policy, config.experiments)
    scorer = build_scorers(workspace, [service], setup)[service]
    progress, began = Progress(len(files)), time.monotonic()
    rows = 0
    with replacing(out) as unfinished:
        writer: pq.ParquetWriter | None = None
        for file in files:
            scored_rows, file_began = 0, time.monotonic()
            for table in score_file(scorer, file, time.time_ns() // 1000):
                if writer is None:
                    writer = pq.ParquetWriter(unfinished, table.schema, compression="zstd")
                writer.write_table(table.cast(writer.schema))
                scored_rows += table.num_rows
            progress.finish(file.name, scored_rows, time.monotonic() - file_began)
            rows += scored_rows
        if writer is None:
            raise SettingError(f"EVENTS={os.environ['EVENTS']}: has no rows; name a file that has some.")
        writer.close()
    seconds = time.monotonic() - began
    print(f"{out}: {rows:,} scores of {service} in {seconds:.1f} s, {rows / seconds:,.0f} a second")


def score_file(scorer: Scorer, file: Path, now_us: int) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file with their scores, some thousand at a time.

    Args:
        scorer: What scores.
        file: Its columns are the request's fields; others are kept and not looked at.
        now_us: The event timestamp of rows that have none, UTC microseconds.

    Raises:
        RequestError: A column is missing or does not fit, or a row lacks a value.
    """
    first = 0
    for batch in pq.ParquetFile(file).iter_batches(ROWS):
        table = pa.Table.from_batches([batch])
        if not table.num_rows:
            continue
        scored = scorer.score_columns(RequestColumns.of_table(scorer.schema, table, now_us, first))
        yield _with_scores(table, scored)
        first += table.num_rows


def _with_scores(table: pa.Table, scored: Scored) -> pa.Table:
    size, made = table.num_rows, scored.decisions
    degraded = scored.features.degraded
    added = {
        "score": scored.scores,
        "decision": made.names if made else [None] * size,
        "reasons": [made.reasons.get(row, []) if made else [] for row in range(size)],
        "model_version": [scored.model_of(row).file.version for row in range(size)],
        "degraded": [False] * size if degraded is None else degraded,
    }
    for field in ADDED:
        if field.name in table.column_names:
            table = table.drop_columns([field.name])
        table = table.append_column(field, pa.array(added[field.name], field.type))
    return table


def _files(given: str) -> list[Path]:
    path = Path(given)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path] if path.is_file() else []
    if not given or not files:
        raise SettingError(
            f"EVENTS={given}: is no Parquet file, nor a folder of them; write such as EVENTS=requests.parquet."
        )
    return files
