"""No event can stop the stream: between good events comes whatever a program can send, and only the good ones count.

The whole dataflow runs, live and as a replay, from a broker of the test's own that ends.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bytewax.testing import run_main
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.dead_letters import read_letters
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events

pytestmark = pytest.mark.slow

MINUTE = 60_000_000
END = 20 * MINUTE
Sent = tuple[bytes, int]


@dataclass
class OneTopic:
    """One partition of payloads, each with the time it arrived, read a few at a time; then a tick, and the end."""

    sent: list[Sent]
    size: int = 7

    def partitions(self, topic: str) -> int:
        return 1

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        start = int(offset)
        if start > len(self.sent):
            raise StopIteration
        part = self.sent[start : start + self.size]
        if not part:
            return Entries([], END, str(start + 1), 1)
        payloads, arrived = zip(*part, strict=True)
        offsets = [str(start + number) for number in range(len(part))]
        return Entries(list(payloads), None, str(start + len(part)), len(part), offsets, arrived)


@dataclass
class Store:
    """Keeps the newest row of each user."""

    lab: Any
    plan: ViewPlan
    rows: dict[str, tuple[int, tuple[Any, ...]]] = field(default_factory=dict)

    def write(self, results: list[ShardRows]) -> None:
        for result in results:
            self.lab.keep_newest(self.rows, result.rows, self.plan.features)


def honest_events() -> list[tuple[str, reference.Event, int]]:
    """Twenty minutes of four users, up to two minutes out of order, with the time each arrived."""
    random = np.random.default_rng(11)
    made = []
    for number, arrived in enumerate(np.sort(random.integers(0, END, 60)).tolist()):
        ts = max(arrived - int(random.integers(0, 2 * MINUTE)), 0)
        values = {"money": float(random.integers(0, 64)) / 8, "whole": number, "word": "w", "flag": None}
        made.append((f"user {number % 4}", reference.Event(ts, number, values), arrived))
    return made


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.integers(-(2**70), 2**70),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
TIME = st.one_of(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(datetime.isoformat), JSON
)
EVENT = st.fixed_dictionaries(
    {"user": st.just("somebody else") | JSON, "at": TIME, "id": st.integers(10**6, 10**7) | JSON},
    optional={"money": JSON, "whole": JSON, "word": JSON, "flag": JSON},
).filter(lambda fields: not str(fields["user"]).startswith("user "))
TWICE = EVENT.map(lambda fields: json.dumps(fields)[:-1] + ', "id": 1}').map(str.encode)
PAYLOAD = st.one_of(
    st.binary(max_size=30),
    JSON.map(json.dumps).map(str.encode),
    EVENT.map(json.dumps).map(str.encode),
    EVENT.map(lambda fields: json.dumps(fields, ensure_ascii=False).encode("utf-16", "surrogatepass")),
    TWICE,
    st.sampled_from([b"null", b"", b"[" * 5_000, b'{"x":' * 5_000, b'{"id": 1' + b"0" * 5_000 + b"}"]),
)


@pytest.fixture(scope="module")
def plan(lab: Any) -> ViewPlan:
    features = [
        lab.feature("sum", "money", 10 * MINUTE, MINUTE),
        lab.feature("count", None, 10 * MINUTE, MINUTE),
        lab.feature("last_n(3)", "whole", 10 * MINUTE, MINUTE),
    ]
    made: ViewPlan = lab.plan(features, lateness=8 * MINUTE)
    return made


def run(lab: Any, plan: ViewPlan, sent: list[Sent], live: bool) -> tuple[Store, list[str]]:
    store = Store(lab, plan)
    clock = (lambda: END) if live else None
    with tempfile.TemporaryDirectory() as folder:
        flow = build_dataflow([plan], OneTopic(sent), lambda: store, dead_letters=Path(folder), land=False, clock=clock)
        run_main(flow)
        return store, [letter.code for letter in read_letters(Path(folder))]


def wanted(lab: Any, plan: ViewPlan, t: int) -> dict[str, tuple[Any, ...]]:
    keyed = [(user, event) for user, event, _ in honest_events()]
    return {
        user: tuple(
            reference.value_at(feature, reference.distinct(lab.of_user(keyed, user)), t) for feature in plan.features
        )
        for user in sorted({user for user, _ in keyed})
    }


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.tuples(st.integers(0, 59), PAYLOAD), max_size=12))
def test_good_events_count_whatever_comes_between_them(
    lab: Any, plan: ViewPlan, live: bool, odd: list[tuple[int, bytes]]
) -> None:
    sent: list[Sent] = []
    for number, (user, event, arrived) in enumerate(honest_events()):
        sent.append((encode_events(lab.table([(user, event)]))[0], arrived))
        sent += [(payload, arrived) for place, payload in odd if place == number]
    store, codes = run(lab, plan, sent, live)
    found = {user: values for user, (_, values) in store.rows.items() if user.startswith("user ")}
    assert found == wanted(lab, plan, END)
    assert len(codes) <= len(odd)


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
def test_one_event_dated_2099_is_one_dead_letter_and_nothing_else(lab: Any, plan: ViewPlan, live: bool) -> None:
    far = b'{"id": 1000, "at": "2099-01-01T00:00:00Z", "user": "user 1", "money": 1.0}'
    sent = [(encode_events(lab.table([(user, event)]))[0], arrived) for user, event, arrived in honest_events()]
    for place in (0, 30, 60):
        store, codes = run(lab, plan, [*sent[:place], (far, 0), *sent[place:]], live)
        assert {user: values for user, (_, values) in store.rows.items()} == wanted(lab, plan, END)
        assert codes == ["future"]
