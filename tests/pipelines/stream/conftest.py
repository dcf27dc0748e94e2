"""A Kafka for the tests: librdkafka's mock cluster, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

# Ends by itself when its standard input does: with whoever started it.
_CLUSTER = """
import sys
from confluent_kafka import KafkaException, Producer
producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 2})
brokers = {}
while not brokers:
    try:
        brokers = producer.list_topics(timeout=10).brokers
    except KafkaException:
        continue
broker = next(iter(brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


@dataclass
class Kafka:
    """A broker at `servers`; it makes a topic of four partitions of any that is asked for, and keeps 5 MB of each."""

    process: subprocess.Popen[str]
    servers: str

    @property
    def address(self) -> str:
        return f"kafka://{self.servers}"

    def pause(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """Start a cluster of one broker."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        servers = process.stdout.readline().strip()
        assert servers, "the cluster did not start"
        yield Kafka(process, servers)
    finally:
        process.kill()
        process.wait()
