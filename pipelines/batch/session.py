"""Opens the Spark session that every batch job uses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workspace.java import find_java_home

LOGGING = Path(__file__).with_name("log4j2.properties")

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def open_spark(name: str, log: Path | None = None) -> SparkSession:
    """Open a Spark session in UTC. SPARK_MASTER names a cluster; without it all cores of this machine are used.

    Args:
        name: What Spark calls the application.
        log: Where what Java and Spark's workers say goes; None for this process' own standard error.
    """
    os.environ["JAVA_HOME"] = str(find_java_home())
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
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
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOGGING}",
    }
    if master.startswith("local"):
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "3g"),
        }
    if SparkContext._active_spark_context is None:
        conf = SparkConf().setMaster(master).setAppName(name).setAll(list(settings.items()))
        if log is None:
            SparkContext(conf=conf)
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as told:
                launch: Any = launch_gateway  # untyped
                SparkContext(conf=conf, gateway=launch(conf, {"stdout": told, "stderr": told}))
    return SparkSession.builder.getOrCreate()
