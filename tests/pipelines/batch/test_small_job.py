"""What is warm before a job comes: workers that have imported all, a small job that does what jobs do, the archive it makes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.batch import class_archive

pytestmark = pytest.mark.slow

DYNAMIC_ARCHIVE = 0xF00BABA8  # the first four bytes of what Java writes at its end


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from workspace.spark_session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("warm", tmp_path_factory.mktemp("warm") / "spark.log", brief=True)
        yield session
        session.stop()


def test_small_job_backfills_hands_rows_to_tasks_and_leaves_nothing(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.batch.small_job import run_small_job

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # each day two rows of "b" and one of "a" as events come, and one of each as they leave an hour later
    assert run_small_job(spark) == 10
    assert list(tmp_path.glob("millrace-small-job-*")) == []


def test_workers_are_forked_from_a_process_that_has_imported_and_compiled_what_tasks_need(spark: Any) -> None:
    def look(numbers: Iterable[int]) -> Iterator[tuple[str, bool, int, bool]]:
        walk = sys.modules["pipelines.semantics.panes.walk"].walk
        with open(f"/proc/{os.getppid()}/cmdline") as parent:
            words = parent.read()
        yield words, "pipelines.batch.task" in sys.modules, len(walk.signatures), gc.get_freeze_count() > 10_000

    seen = spark.sparkContext.parallelize(range(4), 4).mapPartitions(look).collect()
    assert len(seen) == 4
    for words, imported, compiled, frozen in seen:
        assert "pipelines.batch.worker_daemon" in words
        assert (imported, compiled, frozen) == (True, 1, True)


def test_java_has_written_an_archive_of_the_classes_that_a_small_job_uses() -> None:
    if not class_archive.CLASSES.is_file():  # `make setup` makes it
        subprocess.run([sys.executable, "-m", "pipelines.batch.class_archive"], check=True)
    with class_archive.CLASSES.open("rb") as file:
        assert int.from_bytes(file.read(4), sys.byteorder) == DYNAMIC_ARCHIVE
    assert class_archive.CLASSES.stat().st_size > 10_000_000


def test_an_archive_that_cannot_be_written_is_told_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(class_archive, "CLASSES", tmp_path / "file" / "classes.jsa")
    class_archive.main()
    assert "no archive of Spark's classes (" in capsys.readouterr().err
