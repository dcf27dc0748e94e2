"""What the tests of several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def environment() -> Iterator[None]:
    """Give back the environment that a run's home changes."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
