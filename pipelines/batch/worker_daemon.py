"""Forks Spark's Python workers, after it has imported what their tasks need: once, and not in each of them."""

from __future__ import annotations

import gc
from typing import Any

from pyspark import daemon

import pipelines.batch.task  # noqa: F401 - what tasks need
from pipelines.semantics.panes.history import compile_kernel

if __name__ == "__main__":
    compile_kernel()
    gc.freeze()  # workers then leave these pages shared
    manager: Any = daemon.manager  # untyped
    manager()
