"""A pytest plugin that lets Feast's own test suite run where Google's libraries are not installed; see docs/feast-suite.md."""

from __future__ import annotations

import os
import sys
from typing import Any
from unittest.mock import MagicMock

sys.modules.setdefault(
    "google.cloud.bigquery", MagicMock(__path__=[], __spec__=None)
)  # imported by all, used by its own


def pytest_collection_finish(session: Any) -> None:
    """Run also what the suite leaves out of local runs; when it is collected, that would ask for the clouds' libraries."""
    os.environ["FEAST_IS_LOCAL_TEST"] = "False"
