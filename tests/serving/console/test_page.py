"""The console in a real Chromium: what a person sees, and what it does when a source fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, browser, find_chromium
from stage import SERVICE, Served, answering

from serving.config import ServingConfig
from serving.experiments.report import report_path
from serving.protocols.app import build_http_app
from serving.protocols.key_file import line_of, make_key
from serving.protocols.keys import KeyRing
from serving.scoring.scorer import Scorer
from serving.telemetry.hooks import Telemetry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def page(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        for _ in range(3):
            served.http.post("/v1/score", json={"user_id": "ann", "ad_id": 7, "bid": 0.5, "slot": 1})
        one.open(f"{served.url}/console")
        yield one


def text_of(page: Browser, selector: str) -> str:
    return str(page.run(f"document.querySelector({selector!r}).innerText"))


def test_it_says_what_goes_on(page: Browser) -> None:
    page.wait_for("document.querySelectorAll('.tile').length >= 5")
    assert "Requests" in text_of(page, "#tiles")
    assert text_of(page, "#models") == "model v1"
    assert text_of(page, "#pulse") == "live"


def test_recent_decisions_stand_there_newest_first_with_reasons(page: Browser) -> None:
    page.wait_for("document.querySelectorAll('#decisions details').length == 9")
    first = text_of(page, "#decisions summary")
    assert "show" in first
    assert "bid over 0.4" in first
    assert "1 missing" in first


def test_a_decision_opens_and_its_entity_is_looked_up(page: Browser) -> None:
    page.wait_for("document.querySelector('#decisions details')")
    page.run("document.querySelectorAll('#decisions summary')[1].click()")
    page.wait_for("document.querySelector('#decisions details .more button')")
    page.run("document.querySelector('#decisions details .more button').click()")
    page.wait_for("document.querySelector('#found article')")
    found = text_of(page, "#found")
    assert "ad_quality" in found
    assert "rate\n0.25" in found
    assert " d old" in found


def test_a_wrong_key_is_told_where_it_was_typed(page: Browser) -> None:
    page.run(
        "document.querySelector('[name=ad_id]').value = 'seven'; document.querySelector('#lookup').requestSubmit()"
    )
    page.wait_for("document.querySelector('#entity .trouble').innerText.includes('64-bit integer')")


def test_the_stream_says_how_far_it_is(page: Browser) -> None:
    page.wait_for("document.querySelector('#views tbody tr')")
    assert "user_activity" in text_of(page, "#views")
    assert "2 dead letters" in text_of(page, "#stream-line")


def test_experiments_are_hidden_where_there_are_none(page: Browser) -> None:
    page.wait_for("document.querySelector('#experiments').hidden")


def test_arms_of_an_experiment_stand_beside_the_champion_with_their_intervals(page: Browser, served: Served) -> None:
    measured = {"value": 0.30, "low": 0.25, "high": 0.35}
    other = {"counts": {"decisions": 900}, "metrics": {"approval_rate": measured}, "latency_ms": {}}
    arms = [
        {"alias": "champion", "version": "v1", "weight": 0.9, "stopped": None, **other, "against_champion": {}},
        {
            **{"alias": "challenger", "version": "v2", "weight": 0.1, **other},
            "stopped": {"at": "2026-03-01", "reason": "missed too many", "version": "v2"},
            "against_champion": {"approval_rate": {"value": -0.1, "low": -0.15, "high": -0.05, "verdict": "worse"}},
        },
    ]
    about = {"service": SERVICE, "experiment": "cut-off", "unit": "user_id", "metric": "approval_rate", "alpha": 0.05}
    report = {
        **about,
        "since": None,
        "at": "2026-03-01T12:00:00",
        "outcomes": {"told": 70, "unmatched": 0},
        "arms": arms,
    }
    path = report_path(served.data, SERVICE)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report))
    try:
        page.open(f"{served.url}/console")
        page.wait_for("document.querySelectorAll('#arms tbody tr').length == 2")
        told = text_of(page, "#experiments")
        assert "cut-off, by user_id" in told
        assert "0.25 to 0.35" in told
        assert "challenger is stopped: missed too many" in told
        assert page.run("document.querySelector('#arms svg').getAttribute('aria-label')") == "from -0.15 to -0.05"
        assert "worse" in told
    finally:
        path.unlink()


def test_nothing_comes_from_outside_and_nothing_goes_wrong(page: Browser, served: Served) -> None:
    page.wait_for("document.querySelector('.tile')")
    assert {
        address.rsplit("/", 1)[0] for address in page.asked if not address.startswith((served.url, "data:"))
    } == set()
    assert page.errors == []


def test_every_field_has_a_label_and_every_picture_a_name(page: Browser) -> None:
    page.wait_for("document.querySelector('.tile svg')")
    assert page.run("[...document.querySelectorAll('input,select')].filter((one) => !one.labels.length).length") == 0
    assert (
        page.run("[...document.querySelectorAll('svg')].filter((one) => !one.getAttribute('aria-label')).length") == 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Browser, served: Served, scheme: str) -> None:
    page.open(f"{served.url}/console", scheme=scheme)
    page.wait_for("document.querySelector('#decisions details')")
    weakest = page.run(CONTRAST)
    assert weakest["ratio"] >= 4.5, weakest


def test_a_phone_is_wide_enough(page: Browser, served: Served) -> None:
    page.open(f"{served.url}/console", width=390, height=844)
    page.wait_for("document.querySelector('#decisions details') && document.querySelector('#views tbody tr')")
    assert page.run("document.documentElement.scrollWidth") <= 390


def test_where_keys_are_wanted_the_page_asks_for_one(
    page: Browser, served: Served, scorer: Scorer, config: ServingConfig, tmp_path: Path
) -> None:
    key = make_key()
    (tmp_path / "keys.yaml").write_text(f"keys:\n{line_of(key, 'people', ['read'])}\n")
    told = Telemetry(served.metrics)
    ring = KeyRing(tmp_path / "keys.yaml")
    app = build_http_app({SERVICE: scorer}, config.http, telemetry=told, data=served.data, keys=ring)
    with answering(app) as url:
        page.open(f"{url}/console")
        page.wait_for("!document.querySelector('#key').hidden")
        page.run(
            f"document.querySelector('#key input').value = {key!r}; document.querySelector('#key').requestSubmit()"
        )
        page.wait_for("document.querySelectorAll('#decisions details').length == 9")
        assert page.run("document.querySelector('#key').hidden")
        page.run("sessionStorage.clear()")


def test_one_source_that_fails_takes_nothing_else_with_it(page: Browser, served: Served) -> None:
    day = next((served.data / "decisions").glob("*/*"))
    page.open(f"{served.url}/console")
    page.wait_for("document.querySelector('#decisions details')")
    broken = day / "r2-1.parquet"
    broken.write_bytes(b"not Parquet")
    try:
        page.wait_for("!document.querySelector('#recent .trouble').hidden")
        page.wait_for("document.querySelector('#pulse').innerText == 'live'")
        assert page.run("document.querySelector('#stream .trouble').hidden")
    finally:
        broken.unlink()
    page.wait_for("document.querySelector('#recent .trouble').hidden")


CONTRAST = Path(__file__).with_name("contrast.js").read_text()
