"""Makes the archive of Spark's classes with which Java starts in half the time. `make setup` runs it once.

Java loads, checks and links some twenty thousand classes for Spark, in the same way at every start. Here a small job uses
what jobs use, and Java writes the classes to a file, which later ones map into memory. Java itself sees whether the file
fits: with another Java or Spark it is passed over.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines.batch.small_job import run_small_job
from workspace.files import replacing
from workspace.java import find_java_home
from workspace.spark_session import CLASSES, open_spark


def main() -> None:
    """Make the archive; where that does not work Spark is only slower, so it is told and no failure."""
    try:
        with replacing(CLASSES) as unfinished:
            make_archive(unfinished)
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"no archive of Spark's classes ({problem}); Spark starts more slowly without", file=sys.stderr)


def make_archive(path: Path) -> None:
    """Run a small job and let its Java write the classes to `path`.

    Raises:
        FileNotFoundError: Java has written nothing.
        subprocess.SubprocessError: Java's own archive, which this one builds on, cannot be made.
    """
    java = find_java_home() / "bin" / "java"
    if subprocess.run([java, "-Xshare:on", "-version"], capture_output=True, check=False).returncode:
        subprocess.run(
            [java, "-Xshare:dump"], capture_output=True, check=True
        )  # the wheel's Java comes without its own
    with tempfile.TemporaryDirectory(prefix="millrace-classes-") as folder:
        log = Path(folder) / "spark.log"
        spark = open_spark("classes", log, brief=True, classes_to=path)
        run_small_job(spark)
        gateway: Any = spark.sparkContext._gateway
        spark.stop()
        gateway.proc.stdin.close()  # tells Java to end
        gateway.proc.wait()
        if not path.is_file():
            raise FileNotFoundError(f"Java wrote no {path}; it said: {log.read_text()[-500:]}")


if __name__ == "__main__":
    main()
