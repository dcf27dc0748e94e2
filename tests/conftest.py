"""What every test may ask for: one Hypothesis profile, a Redis of the tests' own, and the mark of what starts an engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from workspace.redis_server import RedisServer, start_redis

# The same examples in every run, and no clock in their judgement; `make test-fast` takes the first few of them, and a test
# that wants more or fewer says so as a share of `settings.default.max_examples`.
settings.register_profile(
    "millrace", max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fast", settings.get_profile("millrace"), max_examples=8)
settings.load_profile("millrace")

ENGINES = {"redis_server", "feast_store", "spark", "ads"}
"""Fixtures that start a server or an engine, or import Feast: whoever asks for one is slow, as is a file that starts Redis."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks for an engine; `make test-fast` is all the rest.

    The slow tests of a file go to one worker, so that its engine starts once, and before the others, which fill the gaps.
    """
    for item in items:
        starts_redis = hasattr(getattr(item, "module", None), "start_redis")
        if starts_redis or ENGINES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Start a server of the tests' own."""
    with start_redis() as server:
        yield server
