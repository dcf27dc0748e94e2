"""What was served is recomputed at its own instant, and each way in which it can differ is told by its cause."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from commands import consistency
from commands.consistency import measure_service
from validation.consistency.served import ConsistencyError

pytestmark = pytest.mark.slow
SERVICE = "returns_v1"
HABITS = ("habits__price_count", "habits__price_sum", "habits__price_mean")


def measured(shop: Any, **options: Any) -> dict[str, Any]:
    shop.record.close()
    return measure_service(shop.workspace, SERVICE, store=shop.store, plans=[shop.plan], **options)


def test_what_the_stream_served_in_time_is_what_offline_gives(shop: Any, draw: Any) -> None:
    orders = draw(60)
    shop.play(orders)
    shop.backfill(orders)
    found = measured(shop)
    assert (found["share_equal"], found["causes"], found["decisions"]) == (1.0, {}, 60)
    assert found["by_feature"]["habits__price_mean"]["compared"] < 60  # neither has any before the first order
    assert found["by_feature"]["against_habit__over_mean"]["equal"] > 40  # computed anew, not looked up
    page = shop.workspace.reports / "consistency" / f"{SERVICE}.html"
    assert "100.00 %" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["share_equal"] == 1.0


def test_a_late_event_a_lagging_stream_and_a_changed_value_are_told_apart(shop: Any, draw: Any) -> None:
    orders = draw(60)
    late = orders[20] | {"order_id": 900, "event_timestamp": orders[20]["event_timestamp"] + timedelta(seconds=1)}
    shop.play(orders[:21])
    shop.bring(late["event_timestamp"] + timedelta(minutes=1))
    early = [orders[20] | {"event_timestamp": late["event_timestamp"] + timedelta(minutes=n)} for n in (2, 4)]
    shop.bring(early[0]["event_timestamp"])
    newest = shop.ask(early[0])  # the late event's own row would be the newest
    seen = late | {"order_id": 901, "event_timestamp": late["event_timestamp"] + timedelta(minutes=3)}
    shop.came.append(seen)
    shop.bring(early[1]["event_timestamp"])
    behind = shop.ask(early[1])  # a row of after the late event's, without it
    shop.came.append(late)

    shop.play(orders[21:40])
    changed_at = orders[40]["event_timestamp"]
    shop.bring(changed_at)
    user = orders[40]["user"]
    shop.change_in_redis(user, "price_count", 77)
    changed = shop.ask(orders[40])
    shop.bring(changed_at + timedelta(seconds=30))  # the same rows again heal it
    shop.came.append(orders[40])

    shop.is_streaming = False
    shop.play(orders[41:])
    shop.backfill([*orders, late, seen])
    found = measured(shop, bound=0.99)
    by_feature = found["by_feature"]
    count = by_feature["habits__price_count"]
    examples = {one["decision_id"]: one["cause"] for one in count["examples"]}
    assert (examples[newest], examples[behind], examples[changed]) == ("late event", "late event", "value changed")
    assert count["causes"]["late event"] == 2
    assert count["causes"]["value changed"] == 1
    assert 5 < count["causes"]["stream lag"] <= 19
    assert set(found["causes"]) == {"late event", "value changed", "stream lag"}
    assert (by_feature["habits__price_sum"]["causes"].get("value changed", 0), count["stale"] > 5) == (0, True)
    # The ratio rests on the mean, which is late and stale where the mean is, and not where only the count was changed.
    assert by_feature["against_habit__over_mean"]["causes"] == by_feature["habits__price_mean"]["causes"]
    assert by_feature["against_habit__over_mean"]["stale"] > 5
    assert by_feature["articles__usual_price"]["share_equal"] == 1.0


def test_what_was_served_without_the_store_is_missing_for_that_reason(shop: Any, draw: Any) -> None:
    orders = draw(30)
    shop.play(orders[:20])
    shop.is_streaming = False
    shop.way.cut()
    shop.ask(orders[20])
    shop.backfill(orders)
    found = measured(shop)
    counted = sum(one["missing"] for one in found["by_feature"].values())
    assert found["causes"] == {"store away": counted}
    assert counted >= 3
    assert found["different"] == found["extra"] == found["stale"] == 0


def test_rows_past_their_ttl_are_missing_on_both_sides(shop: Any, draw: Any) -> None:
    orders = draw(20)
    shop.play(orders)
    later = orders[-1] | {"order_id": 900, "event_timestamp": orders[-1]["event_timestamp"] + timedelta(days=3)}
    shop.ask(later)
    after = later | {"order_id": 901, "event_timestamp": later["event_timestamp"] + timedelta(minutes=1)}
    shop.backfill([*orders, after])
    found = measured(shop)
    assert (found["share_equal"], found["decisions"]) == (1.0, 21)


def test_decisions_later_than_the_logs_are_counted_and_not_compared(shop: Any, draw: Any) -> None:
    orders = draw(40)
    shop.play(orders)
    with pytest.raises(Exception, match="no feature log"):
        measured(shop)
    shop.backfill(orders[:20])
    found = measured(shop)
    assert found["decisions"] + found["later_than_the_logs"] == 40
    assert found["later_than_the_logs"] > 0
    assert found["share_equal"] > 0.5


def test_a_sample_is_the_same_for_the_same_seed_and_the_command_fails_below_the_bound(
    shop: Any, draw: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = draw(60)
    shop.play(orders[:30])
    shop.is_streaming = False
    shop.play(orders[30:])
    shop.backfill(orders)
    first, again, other = (measured(shop, sample=20, seed=seed) for seed in (1, 1, 2))
    assert first["by_feature"] == again["by_feature"]
    assert 5 < first["decisions"] < 40
    assert first["by_feature"] != other["by_feature"]
    for name, value in {"REPO": shop.workspace.repo, "SAMPLE": "1000", "SERVICE": SERVICE}.items():
        monkeypatch.setenv(name, str(value))
    assert consistency.main() == 1
    assert "stream lag" in capsys.readouterr().out
    monkeypatch.setenv("MIN_EQUAL", "0.01")
    assert consistency.main() == 0
    monkeypatch.setenv("FROM", "2020-01-01")
    monkeypatch.setenv("TO", "2020-01-02")
    with pytest.raises(ConsistencyError, match="choose of these with FROM= and TO="):
        consistency.main()
