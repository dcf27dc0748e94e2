"""What every test may ask for: one Hypothesis profile, a Redis of the tests' own, and the mark of what starts an engine."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from workspace.quick_feast import quicken_feast
from workspace.redis_server import RedisServer, start_redis

quicken_feast()  # before a test imports it
os.environ["MILLRACE_REGISTRY"] = "off"  # MLflow takes seconds; its own tests switch it on

# The same examples in every run, and no clock in their judgement; `make test-fast` takes the first few of them,
# `make test THOROUGH=1` many others, and a test that wants more or fewer says so as a share of `settings.default.max_examples`.
settings.register_profile(
    "millrace", max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fast", settings.get_profile("millrace"), max_examples=8)
settings.register_profile("thorough", settings.get_profile("millrace"), max_examples=400, derandomize=False)
settings.load_profile("millrace")

ENGINES = {"redis_server", "aws", "feast_store", "spark", "ads"}
"""Fixtures that start a server or an engine, or import Feast: whoever asks for one is slow, as is a file that starts Redis."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that are slow as a whole where no slow test is wanted: their imports take longer than many tests."""
    wanted = config.option.markexpr != "not slow" or collection_path.suffix != ".py"
    return None if wanted or "\npytestmark = pytest.mark.slow\n" not in collection_path.read_text() else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks for an engine; `make test-fast` is all the rest.

    Slow ones come first, and the others fill the gaps.
    """
    for item in items:
        starts_redis = hasattr(getattr(item, "module", None), "start_redis")
        if starts_redis or ENGINES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class Proxy:
    """Passes bytes between clients and a port of this machine.

    Attributes:
        url: Where clients go.
        delay: How long what clients send is held back, seconds.
        sent: How many times clients have sent something.
    """

    def __init__(self, port: int) -> None:
        self.delay, self.sent = 0.0, 0
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Let nobody through any more."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_client:
                    self.sent += 1
                    time.sleep(self.delay)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Start a server of the tests' own."""
    with start_redis() as server:
        yield server


@pytest.fixture
def documented_user() -> Callable[..., None]:
    """Makes a user of a Redis with the commands that docs/storage.md prints: `documented_user(client, "reader", "password")`."""

    def make(client: Any, role: str, password: str, more: str = "") -> None:
        text = (Path(__file__).parent.parent / "docs/storage.md").read_text()
        (rule,) = re.findall(rf"^ACL SETUSER (millrace-{role} .*)$", text, re.MULTILINE)
        rules = [*rule.replace(">password", f">{password}").split(), *more.split()]
        client.execute_command("ACL", "SETUSER", *rules)

    return make


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """Start an S3 and a DynamoDB of the tests' own; the environment has credentials for them."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        one_at_a_time(patch)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


def one_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """Let moto answer one request after the other: it looks at a condition and then writes, where DynamoDB does both in one step."""
    from moto.server import DomainDispatcherApplication

    lock, answer = threading.Lock(), DomainDispatcherApplication.__call__

    def locked(self: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return answer(self, environ, start_response)

    patch.setattr(DomainDispatcherApplication, "__call__", locked)


@pytest.fixture(scope="session")
def dynamo_client(aws: str) -> Any:
    """A client of the DynamoDB."""
    from stores.dynamo.connection import DynamoSettings, connect

    return connect(DynamoSettings(endpoint_url=aws))


@pytest.fixture
def dynamo(dynamo_client: Any) -> Any:
    """A client of a DynamoDB without tables."""
    for table in dynamo_client.list_tables()["TableNames"]:
        dynamo_client.delete_table(TableName=table)
    return dynamo_client


@pytest.fixture
def make_proxy() -> Iterator[Callable[[int], Proxy]]:
    """Puts a proxy in front of a port."""
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(Proxy(port))


@pytest.fixture
def proxy(aws: str) -> Iterator[Proxy]:
    """A way to the DynamoDB that can be made slow, or cut."""
    with Proxy(int(aws.rpartition(":")[2])) as way:
        yield way
