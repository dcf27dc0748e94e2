"""Opens the Spark session that every batch job uses."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workspace.java import find_java_home

LOGGING = Path(__file__).with_name("log4j2.properties")
CLASSES = Path(sys.prefix) / "spark-classes.jsa"
"""Spark's classes as Java keeps them in memory, made at set-up: with them Java starts in half the time."""

BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For a Java that lives a minute or two: to compile little and to collect with one thread costs half the CPU in all."""

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkOnDemand:
    """A Spark session that is opened when somebody first asks for it: few rows need none."""

    def __init__(self, name: str, log: Path) -> None:
        """Note what `open_spark` is to be told."""
        self._name, self._log = name, log
        self._opened: SparkSession | None = None
        self._lock = threading.Lock()

    def __call__(self) -> SparkSession:
        """Return the session."""
        with self._lock:
            if self._opened is None:
                self._opened = open_spark(self._name, self._log)
            return self._opened

    def stop(self) -> None:
        """End the session, if there is one."""
        if self._opened is not None:
            self._opened.stop()


def open_spark(
    name: str, log: Path | None = None, *, brief: bool = False, classes_to: Path | None = None
) -> SparkSession:
    """Open a Spark session in UTC. SPARK_MASTER names a cluster; without it all cores of this machine are used.

    Args:
        name: What Spark calls the application.
        log: Where what Java and Spark's workers say goes; None for this process' own standard error.
        brief: Whether it is for small jobs and a minute or two, so that Java need not compile as for hours.
        classes_to: Where Java writes the classes it has loaded, when it ends; None for nowhere.
    """
    os.environ["JAVA_HOME"] = str(find_java_home())
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("SPARK_LAUNCHER_OPTS", " ".join(BRIEF))  # the Java that only puts the command line together
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    master = os.environ.get("SPARK_MASTER", "local[*]")
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        "spark.sql.maxConcurrentOutputFileWriters": "1000",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
        "spark.sql.shuffle.partitions": os.environ.get("SPARK_SHUFFLE_PARTITIONS", "8"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.extraJavaOptions": " ".join(java_options(master, brief, classes_to)),
    }
    if master.startswith("local"):
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "3g"),
            "spark.python.daemon.module": "pipelines.batch.worker_daemon",
            # Days lie in folders of their own: listing some hundred is no job for Spark's tasks.
            "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        }
    if SparkContext._active_spark_context is None:
        held = signal.getsignal(signal.SIGINT)
        conf = SparkConf().setMaster(master).setAppName(name).setAll(list(settings.items()))
        if log is None:
            SparkContext(conf=conf)
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as told:
                launch: Any = launch_gateway  # untyped
                SparkContext(conf=conf, gateway=launch(conf, {"stdout": told, "stderr": told}))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, held)  # Spark puts a handler of its own there
    return SparkSession.builder.getOrCreate()


def java_options(master: str, brief: bool, classes_to: Path | None) -> list[str]:
    """Return what Spark's own Java is started with."""
    options = [f"-Dlog4j2.configurationFile={LOGGING}"]
    if master.startswith("local"):
        options += BRIEF if brief else ()
        if classes_to is not None:
            options.append(f"-XX:ArchiveClassesAtExit={classes_to}")
        elif CLASSES.is_file():
            options.append(f"-XX:SharedArchiveFile={CLASSES}")
    return options
