"""The examples in the docstrings of the transports are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from pipelines.stream.transport import redis_client, redis_position


@pytest.mark.parametrize("module", [redis_client, redis_position], ids=lambda module: module.__name__)
def test_examples_are_true(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert (tried.failed, tried.attempted > 0) == (0, True)
