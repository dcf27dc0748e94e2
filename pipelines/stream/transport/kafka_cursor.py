"""Reads one partition of a Kafka topic from an offset on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipelines.stream.transport.base import Entries, LostEventsError, TransportError
from pipelines.stream.transport.kafka_client import ANSWER_SECONDS, new_consumer, shown, unavailable
from pipelines.stream.transport.rejected import Rejected

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message

TICK: Final = ("millrace", b"tick")
"""The header of a message that is a tick."""

_PROBE_SECONDS: Final = 1.0  # how long an answer of the broker counts
_PROBE_TIMEOUT: Final = 1.0


@dataclass(slots=True)
class Cursor:
    """A place in one partition, and the consumer that reads from there.

    Attributes:
        address: The broker.
        topic: The topic.
        partition: Its partition.
        at: The next offset; None before the first read.
    """

    address: str
    topic: str
    partition: int
    at: str | None = None
    _consumer: Consumer = field(init=False)
    _end: int = 0  # up to here there was nothing more to read
    _high: int = 0
    _answered: float = float("-inf")
    _noted: tuple[str, float] = ("", 0.0)

    def __post_init__(self) -> None:
        """Open the consumer."""
        self._consumer = new_consumer(self.address)

    def read(self, offset: str, most: int) -> Entries:
        """Return at most so many entries from an offset on; `more` where some are there that have not come yet.

        Raises:
            TransportUnavailable: The broker does not answer.
            LostEventsError: The broker no longer has all that came after the offset.
        """
        if offset != self.at:
            self._assign(offset)
        found = []
        for message in self._consumer.consume(most, timeout=0):
            error = message.error()
            if error is None:
                found.append(message)
            else:
                self._heed(error, message)
        if found:
            self._answered, self.at = time.monotonic(), str((found[-1].offset() or 0) + 1)
        else:
            self._probe()
        self._note(offset)
        more = not found and self._high > max(self._end, int(self.at or 0))
        return _entries(found, self.at or offset, more)

    def _assign(self, offset: str) -> None:
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        start = OFFSET_BEGINNING if offset == "0" else int(offset)
        self._consumer.assign([TopicPartition(self.topic, self.partition, start)])
        self.at, self._end, self._answered = offset, 0, float("-inf")

    def _heed(self, error: KafkaError, message: Message) -> None:
        from confluent_kafka import KafkaError

        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            self._end = max(self._end, message.offset() or 0)
        elif code == KafkaError._AUTO_OFFSET_RESET and self.at == "0":
            self.at = None  # the beginning is whatever is left; it moved on meanwhile, so it is looked up anew
        elif code == KafkaError._AUTO_OFFSET_RESET:
            self._answered = float("-inf")
            self._probe()
            raise self._lost(f"the broker says: {error.str()}")
        elif code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            raise TransportError(f"topic {self.topic} at {shown(self.address)}: {error.str()}; allow it to be read.")
        else:
            self.at = None  # whatever it was, reading starts anew from the same offset
            raise unavailable(self.address, error.str())

    def _probe(self) -> None:
        """Ask the broker from where to where it has entries: nothing that came is no proof that nothing is there."""
        from confluent_kafka import KafkaException, TopicPartition

        if time.monotonic() - self._answered < _PROBE_SECONDS:
            return
        patience = ANSWER_SECONDS if self._answered == float("-inf") else _PROBE_TIMEOUT  # it may have to connect first
        try:
            low, self._high = self._consumer.get_watermark_offsets(
                TopicPartition(self.topic, self.partition), timeout=patience, cached=False
            )
        except KafkaException as error:
            raise unavailable(self.address, error.args[0].str()) from None
        self._answered = time.monotonic()
        at = int(self.at or 0)
        if at and at < low:
            raise self._lost(f"{low - at:,} were dropped; the first that is left is {low}")
        if at > self._high:
            raise self._lost(f"the topic ends at {self._high}: it was made anew, or its broker lost data")

    def _lost(self, why: str) -> LostEventsError:
        return LostEventsError(
            f"topic {self.topic}, partition {self.partition} at {shown(self.address)}: what came from offset {self.at} on is"
            f" gone before it was read ({why}). Land what is missing in the lake, or let its producer send it again; then"
            " run `make backfill`, and start the stream with FRESH=1."
        )

    def _note(self, offset: str) -> None:
        """Tell the broker, about once a second, what has been read: for those who ask how far the stream is behind."""
        from confluent_kafka import KafkaException, TopicPartition

        noted, when = self._noted
        if offset in ("0", noted) or time.monotonic() - when < _PROBE_SECONDS:
            return
        self._noted = offset, time.monotonic()
        try:
            self._consumer.commit(offsets=[TopicPartition(self.topic, self.partition, int(offset))], asynchronous=True)
        except KafkaException:
            self._noted = noted, time.monotonic()


def _entries(found: list[Message], offset: str, more: bool) -> Entries:
    from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

    payloads: list[bytes] = []
    offsets: list[str] = []
    arrived: list[int] = []
    ticks: list[tuple[int, int]] = []
    rejected: list[Rejected] = []
    for message in found:
        value: Any = message.value() or b""
        headers: Any = message.headers() or ()
        if TICK in headers:
            if 0 < len(value) <= 20 and value.isascii() and value.removeprefix(b"-").isdigit():
                ticks.append((len(payloads), int(value)))
            else:
                rejected.append(Rejected(value, "a tick that is no number", "bad_tick", str(message.offset())))
        elif message.value() is None:
            rejected.append(Rejected(b"", "a message without a value", "no_event", str(message.offset())))
        else:
            kind, milliseconds = message.timestamp()
            payloads.append(value)
            offsets.append(str(message.offset()))
            # A producer's own time may be anything; only the broker's says when an event came.
            arrived.append(milliseconds * 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else 0)
    newest = max((t for _, t in ticks), default=None)
    return Entries(payloads, newest, offset, len(found), offsets, arrived, ticks, rejected, more)
