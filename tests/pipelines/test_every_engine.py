"""One suite for every engine: reference, stream and batch give every function the same value at any instant (rule 8).

The stream is what a shard inside Bytewax does (`ViewState`): fed in micro-batches out of order, with repeats, saved and
restored in between, and started from a backfill at a cut. Batch is what a task inside Spark does (`compute_log`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.batch.compute import compute_log
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.semantics.aggregators.table import ARGUED, NAMES, ONLY_WINDOWS, PLAIN
from pipelines.semantics.feature import Feature
from pipelines.stream.view_state import ViewState

MINUTE = 60_000_000
EVER, NEVER = -(10**12), 10**13

# How each function is declared, and over which columns. A function of the table that is not here fails a test below.
PLAINLY: dict[str, tuple[str | None, ...]] = {
    "count": (None, "money", "word"),
    "count_distinct": ("word", "money", "whole", "flag"),
    "sum": ("money", "whole"),
    "mean": ("money", "whole"),
    "std": ("money", "whole"),
    "min": ("money", "whole"),
    "max": ("money", "whole"),
    "first": ("word", "money", "whole", "flag", "at"),
    "last": ("word", "money", "whole", "flag", "at"),
    "variance": ("money", "whole"),
    "any": ("flag",),
    "all": ("flag",),
    "duration": (None,),
    "approx_count_distinct": ("word", "money", "whole", "at"),
}
# The same for those with something in brackets: what is in them, and over which columns.
ARGUED_SUITE: dict[str, tuple[tuple[str, tuple[str | None, ...]], ...]] = {
    "count_by": (("b", ("word",)), ("'zoë'", ("word",)), ("-1", ("whole",)), ("false", ("flag",))),
    "first_n": (("3", ("word", "money", "at")), ("1", ("flag",))),
    "last_n": (("3", ("word", "money", "whole", "at")), ("3, money, flag", ("word", "money"))),
    "top_k": (("2", ("word", "money", "whole", "flag")),),
    "decayed_sum": (("90s", ("money", "whole")), ("10min", ("money",))),
    "decayed_count": (("90s", (None, "word")),),
    "matches": (
        ("flag then 2 word=a within 3min", (None,)),
        ("whole=1 then flag new(word)", (None,)),
        ("2 flag new(money) within 90s then flag=false", (None,)),
    ),
    "approx_quantile": (("0.5", ("money", "whole")), ("0.9", ("money",))),
}
SESSIONS = [name for name in PLAINLY if name not in ONLY_WINDOWS]
CASES = [
    *((name, column) for name, columns in PLAINLY.items() for column in columns),
    *((f"{name}({inside})", c) for name, of in ARGUED_SUITE.items() for inside, columns in of for c in columns),
    *((f"session_{name}(2min)", column) for name in SESSIONS for column in PLAINLY[name][:2]),
    *(
        (f"session_{name}(2min, {inside})", columns[0])
        for name, of in ARGUED_SUITE.items()
        if name not in ONLY_WINDOWS
        for inside, columns in of
    ),
]

Keyed = tuple[str, reference.Event]
Answer = Callable[[Any, ViewPlan, list[Keyed], list[int], st.DataObject], list[dict[str, Any]]]


def test_every_function_is_in_the_suite() -> None:
    assert sorted(PLAINLY) == sorted(PLAIN)
    assert sorted(ARGUED_SUITE) == sorted(ARGUED)
    assert len(NAMES) == 2 * (len(PLAIN) + len(ARGUED)) - len(ONLY_WINDOWS)


def from_reference(
    lab: Any, plan: ViewPlan, events: list[Keyed], instants: list[int], _: st.DataObject
) -> list[dict[str, Any]]:
    """Answer from the reference's feature log."""
    users = {user for user, _ in events}
    logs = {user: reference.feature_log(plan.features, lab.of_user(events, user), EVER, NEVER) for user in users}
    return [{user: lab.at(log, t) for user, log in logs.items()} for t in instants]


def from_batch(
    lab: Any, plan: ViewPlan, events: list[Keyed], instants: list[int], data: st.DataObject
) -> list[dict[str, Any]]:
    """Answer from a feature log that was computed in two spans."""
    cut = data.draw(st.integers(0, 30 * MINUTE))
    logs = backfilled(lab, plan, events, EVER, cut)
    for user, log in backfilled(lab, plan, events, cut, NEVER).items():
        logs[user] = logs.get(user, []) + log
    return [{user: lab.at(log, t) for user, log in logs.items()} for t in instants]


def from_stream(
    lab: Any, plan: ViewPlan, events: list[Keyed], instants: list[int], data: st.DataObject
) -> list[dict[str, Any]]:
    """Answer from a store that is kept fresh: at each instant all events before it have come, some after it too."""
    state, store = ViewState(plan), {}
    waiting = sorted(events, key=lambda keyed: keyed[1].ts)
    if data.draw(st.booleans(), label="start from a backfill"):
        cut = data.draw(st.integers(0, instants[0]), label="cut")
        history = [keyed for keyed in waiting if keyed[1].ts < cut]
        state.load(lab.table([keyed for keyed in history if keyed[1].ts >= cut - plan.reach]), cut)
        store = {user: log[-1] for user, log in backfilled(lab, plan, history, EVER, cut).items() if log}
        waiting = [keyed for keyed in waiting if keyed[1].ts >= cut]
    answers = []
    for t in instants:
        due = [keyed for keyed in waiting if keyed[1].ts < t]
        early = data.draw(st.lists(st.sampled_from(waiting), max_size=2)) if waiting else []
        again = data.draw(st.lists(st.sampled_from(events), max_size=2)) if events else []
        again = [keyed for keyed in again if keyed not in waiting]
        arriving = data.draw(st.permutations([*due, *early, *again]))
        waiting = [keyed for keyed in waiting if keyed not in arriving]
        while arriving:
            size = data.draw(st.integers(1, len(arriving)))
            follow(
                lab, plan, store, state.advance(lab.table(arriving[:size]), data.draw(st.integers(t - 5 * MINUTE, t)))
            )
            arriving = arriving[size:]
        follow(lab, plan, store, state.advance(lab.table([]), t))
        if data.draw(st.booleans(), label="restart"):
            state = ViewState(plan, pickle.loads(pickle.dumps(state.snapshot())))
        answers.append({user: values for user, (_, values) in store.items()})
    return answers


def backfilled(lab: Any, plan: ViewPlan, events: Sequence[Keyed], start: int, stop: int) -> dict[str, Any]:
    logs: dict[str, Any] = lab.table_logs(compute_log(plan, lab.table(events), start, stop), plan.features)
    return logs


def follow(lab: Any, plan: ViewPlan, store: dict[str, Any], rows: pa.Table | None) -> None:
    """Store rows as the online store does: never an older one over a newer one."""
    for user, log in (lab.table_logs(rows, plan.features) if rows is not None else {}).items():
        (row,) = log
        assert user not in store or row[0] >= store[user][0], "a row would be refused by the store as older"
        store[user] = row


def judge(
    lab: Any,
    features: Sequence[Feature],
    events: Sequence[Keyed],
    instants: Sequence[int],
    answers: Sequence[dict[str, Any]],
) -> None:
    """Hold what an engine answered at some instants against the reference."""
    for t, answer in zip(instants, answers, strict=True):
        for user in {user for user, _ in events}:
            known = reference.distinct(lab.of_user(events, user))
            seen = any(feature.window.enters(event.ts) <= t for event in known for feature in features)
            wanted = [reference.value_at(feature, known, t) for feature in features] if seen else None
            given = answer.get(user)
            assert (given is None) == (wanted is None), (user, t, given, wanted)
            for feature, here, there in zip(features if seen else (), given or (), wanted or (), strict=True):
                assert lab.same(here, there), (feature.function, feature.column, user, t, here, there)


ENGINES: dict[str, Answer] = {"reference": from_reference, "stream": from_stream, "batch": from_batch}


def several(cases: Sequence[tuple[str, str | None]]) -> list[Any]:
    """Cut functions into views of up to four, each of different ones: a test of a view costs little more than of one."""
    views = -(-len(cases) // 4)
    return [
        pytest.param(cases[first::views], id=" ".join(f"{function}-{column or 'events'}" for function, column in some))
        for first in range(views)
        for some in [cases[first::views]]
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cases", several(CASES))
@settings(max_examples=settings.default.max_examples * 3 // 8)
@given(data=st.data())
def test_value_at_any_instant_is_the_same(
    lab: Any, engine: str, cases: Sequence[tuple[str, str | None]], data: st.DataObject
) -> None:
    events = data.draw(lab.events_strategy(most=9, users="ab"))
    for _, event in events:
        event.values["at"] = reference.EPOCH + reference.timedelta(microseconds=event.ts)
    delay = data.draw(st.sampled_from([0, 0, 3 * MINUTE, 7]), label="the view's delay")
    features = []
    for function, column in cases:
        size, slide = data.draw(st.sampled_from([(10, 1), (10, 5), (4, 2), (3, 3)]))
        features.append(lab.feature(function, column, size * MINUTE, slide * MINUTE, delay))
    hop = st.integers(0, 60).map(lambda n: n * MINUTE // 2)
    instants = sorted(data.draw(st.lists(st.one_of(hop, st.integers(0, 30 * MINUTE)), min_size=1, max_size=3)))
    plan = lab.plan(features, lateness=NEVER)

    answers = ENGINES[engine](lab, plan, events, instants, data)

    judge(lab, features, events, instants, answers)


@pytest.mark.parametrize("engine", ["reference", "batch"])
@pytest.mark.parametrize(
    "cases", several(list({name: (name, column) for name, column in CASES if not name.startswith("session_")}.values()))
)
@settings(max_examples=settings.default.max_examples * 3 // 8)
@given(data=st.data())
def test_value_of_a_batch_view_at_any_instant_is_the_same(
    lab: Any, engine: str, cases: Sequence[tuple[str, str | None]], data: st.DataObject
) -> None:
    events = data.draw(lab.events_strategy(most=9, users="ab"))
    for _, event in events:
        event.values["at"] = reference.EPOCH + reference.timedelta(microseconds=event.ts)
    delay = data.draw(st.sampled_from([0, 7]), label="the view's delay")
    features = []
    for function, column in cases:
        size, slide = data.draw(st.sampled_from([(10, 1), (10, 5), (3, 3)]))
        features.append(lab.feature(function, column, size * MINUTE, slide * MINUTE, delay, True))
    instants = data.draw(st.lists(st.integers(0, 60).map(lambda n: n * MINUTE // 2), min_size=1, max_size=3))
    answers = ENGINES[engine](lab, lab.plan(features), events, instants, data)
    judge(lab, features, events, instants, answers)
