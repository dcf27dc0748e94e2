"""`make diff`: what is applied is kept whole, and what the declarations change is told before they are applied."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import diff
from commands.applied import FILE, AppliedError, Declared, read_applied, write_applied
from commands.apply import apply
from commands.diff import describe_diff, diff_parts, diff_views
from pipelines.batch.lake import day_of
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window
from workspace.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
HOUR = 3_600_000_000


def feature(name: str, function: str, size: int = HOUR, aligned: bool = False) -> Feature:
    aggregator, gap = parse_function(function)
    return Feature(name, aggregator, "price", Window(size, HOUR, 7, aligned), gap, function)


def view(name: str, *features: Feature, lake: Path = Path("/nowhere"), kind: str = "stream") -> ViewPlan:
    table = EventTable("clicks", str(lake), "at", "id", "clicks", "user", (("id", "bigint"), ("price", "double")))
    return ViewPlan(name, kind, ("user",), features, table, "/nowhere/log", 5 * HOUR)  # type: ignore[arg-type]


def declared(*plans: ViewPlan, **services: dict[str, str]) -> Declared:
    return Declared({plan.view: plan for plan in plans}, {}, {}, services)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "repo", tmp_path / "data", tmp_path / "feature_store.yaml")


def test_what_is_applied_comes_back_as_it_was(workspace: Workspace) -> None:
    now = declared(
        view("a", feature("x", "last_n(3)"), feature("y", "session_sum(30min)")),
        view("b", feature("z", "mean", 24 * HOUR, aligned=True), kind="batch"),
        risk={"features": "a:x", "tag millrace.label": "lake:label"},
    )
    now = replace(now, tiers={"a": "warm", "b": "hot"})
    assert read_applied(workspace) is None
    write_applied(workspace, now)
    kept = read_applied(workspace)
    assert kept is not None
    assert replace(kept, at="") == now


def test_a_transform_is_kept_with_the_code_it_calls(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.repo.mkdir()
    (workspace.repo / "rates_of_test.py").write_text("RATE = 2.0\n\ndef rate():\n    return RATE\n")
    (workspace.repo / "views_of_test.py").write_text(
        "from rates_of_test import rate\n\ndef worth(events):\n    return events * rate()\n"
    )
    monkeypatch.syspath_prepend(str(workspace.repo))
    import rates_of_test  # type: ignore[import-not-found]
    import views_of_test  # type: ignore[import-not-found]

    write_applied(workspace, declared(replace(view("a", feature("x", "sum")), transform=views_of_test.worth)))
    rates_of_test.RATE = 100.0
    kept = read_applied(workspace)
    assert kept is not None
    transform = kept.plans["a"].transform
    assert transform is not None
    assert (transform(3), views_of_test.worth(3)) == (6.0, 300.0)


def test_a_plan_that_cannot_be_read_any_more_is_said_and_the_others_are_read(workspace: Workspace) -> None:
    write_applied(workspace, declared(view("a", feature("x", "sum")), view("b", feature("x", "sum"))))
    record = json.loads((workspace.data / FILE).read_text())
    record["plans"][0]["features"][0]["function"] = "median_of_old"
    (workspace.data / FILE).write_text(json.dumps(record))
    kept = read_applied(workspace)
    assert kept is not None
    assert list(kept.plans) == ["b"]
    (first, *_) = diff_views(kept, declared(view("a", feature("x", "sum"))))
    assert (first.kind, "unknown function 'median_of_old'" in first.changes[0].said) == ("changed", True)

    (workspace.data / FILE).write_text(json.dumps(record | {"format": 0}))
    with pytest.raises(AppliedError, match="is of format 0, this is 1; run `make apply` once"):
        read_applied(workspace)


def test_the_page_names_what_came_went_and_changed_and_the_days_to_compute(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-04"):
        (tmp_path / f"date={day}").mkdir()
    old = declared(view("a", feature("x", "sum"), lake=tmp_path), view("gone", feature("x", "sum")),
                   risk={"features": "a:x\na:z"}, calm={"features": "new:x"})  # fmt: skip
    new = declared(view("a", feature("x", "sum", 2 * HOUR), feature("y", "max"), lake=tmp_path),
                   view("new", feature("x", "count")), risk={"features": "a:x\na:y"})  # fmt: skip
    page = describe_diff(old, new, list(diff_views(old, new))).splitlines()
    assert page == [
        "~ view a (stream)",
        "    ~ x: size 1h -> 2h",
        "    + y: max of price, 1h by 1h",
        "    days to compute anew: 2026-01-01 to 2026-01-04 (4)",
        f"    values: no sample; there are no events in {tmp_path}",
        "- view gone (stream)",
        "+ view new (stream)",
        "    + x: count of price, 1h by 1h",
        "- service calm",
        "~ service risk: features: ",
        "    -a:z",
        "    +a:y",
        "",
        "after `make apply`: make backfill FROM=2026-01-01 TO=2026-01-04 VIEWS=a",
        "then `make materialize`, and start a stream that runs anew from that backfill: make stream FRESH=1",
        "services whose values change: risk; models trained on them should be trained anew",
        "                  added  removed  changed",
        "----------------  -----  -------  -------",
        "views of engines      1        1        1",
        "features              1        0        1",
        "other views           0        0        0",
        "services              0        1        1",
    ]


def test_parts_of_a_line_are_told_as_before_and_after() -> None:
    found = list(diff_parts({"s": {"tag a": "1", "ttl": "2"}}, {"s": {"ttl": "3"}}))
    assert found == [("s", "changed", "tag a: 1 -> none"), ("s", "changed", "ttl: 2 -> 3")]


@pytest.mark.parametrize(
    ("before", "after", "said", "fill"),
    [
        (
            "hot",
            "warm",
            "reads find nothing until warm is filled: materialize again; those in hot stay there, unread",
            True,
        ),
        (
            "warm",
            "hot",
            "reads find nothing until hot is filled: materialize again; those in warm stay there, unread",
            True,
        ),
        ("hot", "both", "warm has none of its rows yet: materialize again", True),
        ("warm", "both", "hot has none of its rows yet: materialize again", True),
        ("both", "hot", "hot has its rows already; those in warm stay there, unread", False),
        ("both", "warm", "warm has its rows already; those in hot stay there, unread", False),
    ],
)
def test_another_store_is_told_with_what_it_means_for_the_rows(before: str, after: str, said: str, fill: bool) -> None:
    plan, plain = view("a", feature("x", "sum")), {"rates": {"features": "r Int64"}}
    old, new = (
        Declared({"a": plan}, {}, plain, {}, tiers={"a": tier, "rates": tier, "same": "warm"})
        for tier in (before, after)
    )
    page = describe_diff(old, new, list(diff_views(old, new))).splitlines()
    filling = ["after `make apply`, to fill the store that they are new in: make materialize VIEWS=a,rates"]
    assert page[:-6] == [
        "~ view a (stream)",
        f"    ~ store: {before} -> {after}; {said}",
        f"~ view rates: store: {before} -> {after}; {said}",
        "",
        *(filling if fill else []),
    ]
    assert [line.split()[-1] for line in page[-4:]] == ["1", "0", "1", "0"]


def test_a_record_that_does_not_say_where_rows_lie_is_not_compared_in_that(workspace: Workspace) -> None:
    now = replace(declared(view("a", feature("x", "sum"))), tiers={"a": "warm"})
    write_applied(workspace, now)
    record = json.loads((workspace.data / FILE).read_text())
    assert record.pop("tiers") == {"a": "warm"}
    (workspace.data / FILE).write_text(json.dumps(record))
    kept = read_applied(workspace)
    assert kept is not None
    assert [one.kind for one in diff_views(kept, now)] == ["same"]


def land_clicks(data: Path) -> None:
    """Three days of clicks on two ads, in the columns of the ads repo."""
    first = 20_454 * 24 * HOUR
    for day in range(3):
        at = first + day * 24 * HOUR + np.arange(40) * 10 * 60_000_000
        folder = data / "lake" / "clicks" / f"date={day_of(int(at[0]))}"
        folder.mkdir(parents=True)
        table = pa.table(
            {
                "click_id": [f"c{day}-{n}" for n in range(40)],
                "clicked_at": pa.array(at, pa.timestamp("us", "UTC")),
                "user_id": [f"u{n % 3}" for n in range(40)],
                "ad_id": [f"ad{n % 2}" for n in range(40)],
                "bid": [n / 4 for n in range(40)],
                "slot": pa.array([n % 4 for n in range(40)], pa.int32()),
                "dwell_ms": [100 * n for n in range(40)],
                "on_phone": [n % 2 == 0 for n in range(40)],
            }
        )
        pq.write_table(table, folder / "part-0.parquet")


@pytest.mark.slow
def test_a_repo_is_compared_with_what_make_apply_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, data = tmp_path / "repo", tmp_path / "data"
    monkeypatch.setenv("REPO", str(repo))
    monkeypatch.setenv("MILLRACE_DATA", str(data))
    monkeypatch.delenv("MILLRACE_YAML", raising=False)

    def told() -> str:
        capsys.readouterr()
        diff.main()
        return capsys.readouterr().out

    shutil.copytree(ROOT / "tests" / "domains" / "ads" / "feature_repo", repo)
    views = repo / "views.py"
    text = views.read_text()
    before = told()
    assert f"nothing is applied yet in {data}: all that is declared is new" in before
    assert "+ view ad_traffic (stream)" in before
    assert not data.exists()

    land_clicks(data)
    text = text.replace("< 500)", "< limit())").replace(
        "def mark_bounces", "def limit():\n    return 500\n\n\ndef mark_bounces"
    )
    views.write_text(text)
    apply(Workspace.from_env())
    assert told().endswith("no differences\n")

    views.write_text(
        text.replace(
            'function="mean", time_window=HOUR, name="bid_mean_1h"',
            'function="max", time_window=HOUR, name="bid_mean_1h"',
        ).replace("return 500", "return 1_500")
    )
    page = told()
    assert "store:" not in page
    assert "~ view ad_traffic (stream)\n    ~ bid_mean_1h: function mean -> max\n" in page
    assert "days to compute anew: 2026-01-01 to 2026-01-03 (3)" in page
    assert "~ view ad_quality (batch)\n    ~ transform: its text is the same, what it calls is not" in page
    assert "bid_mean_1h of ad_id='ad" in page
    assert "bounce_rate" in page
    assert "bid_min_1h" not in page
    assert "VIEWS=ad_quality,ad_traffic" in page

    record = json.loads((data / FILE).read_text())
    assert record["tiers"]["ad_traffic"] == "hot"
    record["tiers"]["ad_traffic"] = "both"
    (data / FILE).write_text(json.dumps(record))
    assert "~ store: both -> hot; hot has its rows already; those in warm stay there, unread" in told()

    (data / FILE).unlink()
    assert "not by a `make apply` that keeps its plans: only names can be compared" in told()
