"""Kafka's clients in this process, one a use, and how an address names them.

`kafka://host:port,host:port?security.protocol=SASL_SSL&sasl.username=...`: what follows the question mark goes to librdkafka
as it is.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from pipelines.stream.transport.base import TransportError, TransportUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

SCHEME: Final = "kafka://"
GROUP: Final = "millrace"
ANSWER_SECONDS: Final = 5.0

_BARE: Final = re.compile(r"[\w.-]+(:\d+)?(,[\w.-]+(:\d+)?)*")

_COMMON: Final[dict[str, Any]] = {
    # What comes back is noticed within half a second, and told by us, once.
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "socket.timeout.ms": 10_000,
    "log_level": 2,
    "log.connection.close": False,
}

_PRODUCERS: dict[str, Producer] = {}
_LOCK = threading.Lock()


def is_kafka(address: str) -> bool:
    """Say whether an address is Kafka's: its scheme, or none, as Feast's `kafka_bootstrap_servers` has it.

    >>> [is_kafka(one) for one in ("kafka://a:9092", "a:9092,b:9092", "localhost", "redis://a", "parquet:x", "")]
    [True, True, True, False, False, False]
    """
    return address.startswith(SCHEME) or _BARE.fullmatch(address) is not None


def settings_of(address: str) -> dict[str, Any]:
    """Return what librdkafka is told of an address.

    >>> settings_of("kafka://a:9092,b:9092?security.protocol=SSL")
    {'bootstrap.servers': 'a:9092,b:9092', 'security.protocol': 'SSL'}
    """
    servers, _, more = address.removeprefix(SCHEME).partition("?")
    return {"bootstrap.servers": servers.rstrip("/"), **dict(parse_qsl(more))}


def shown(address: str) -> str:
    """Return an address as people are told it: without its settings, a password among them."""
    return SCHEME + settings_of(address)["bootstrap.servers"]


def new_consumer(address: str) -> Consumer:
    """Open a consumer that is told what to read, keeps no place of its own and never skips what is missing.

    Raises:
        TransportError: The address has a setting that librdkafka does not know.
    """
    from confluent_kafka import Consumer, KafkaException

    try:
        return Consumer(
            {
                **_COMMON,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 16_384,
                **settings_of(address),
            }
        )
    except KafkaException as error:
        raise TransportError(f"{shown(address)}: {error.args[0].str()}; mend the address.") from None


def producer_of(address: str) -> Producer:
    """Return the process's producer for an address.

    Raises:
        TransportError: The address has a setting that librdkafka does not know.
    """
    from confluent_kafka import KafkaException, Producer

    with _LOCK:
        if address not in _PRODUCERS:
            settings = {"enable.idempotence": True, "linger.ms": 5, "delivery.timeout.ms": 20_000}
            try:
                _PRODUCERS[address] = Producer({**_COMMON, **settings, **settings_of(address)})
            except KafkaException as error:
                raise TransportError(f"{shown(address)}: {error.args[0].str()}; mend the address.") from None
        return _PRODUCERS[address]


def unavailable(address: str, reason: object) -> TransportUnavailable:
    """Return the error that says who does not answer."""
    return TransportUnavailable(
        f"the broker at {shown(address)} does not answer ({reason}); start it, or set MILLRACE_BROKER."
    )
