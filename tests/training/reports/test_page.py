"""The report in a real Chromium: the explorer counts as the rows do, and no script fails."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from chromium import Browser, browser, find_chromium
from jinja2 import Environment, PackageLoader

from training.reports.explorer import explorer_facts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine (apt-get install chromium)"),
]

SCORES = np.arange(1000) / 1000
LABELS = (SCORES >= 0.9).astype(int)
LABELS[::100] = 1 - LABELS[::100]
PRICES = LABELS * 10.0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("report")
    facts = explorer_facts(LABELS, SCORES, 5, 0.9, PRICES, 2.0)
    template = Environment(loader=PackageLoader("training.reports", ""), autoescape=True).get_template(
        "explorer.html.j2"
    )
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{template.render(explorer=facts)}")
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        one.open((folder / "page.html").as_uri())
        yield one


def cards(page: Browser) -> dict[str, str]:
    found = json.loads(
        page.run(
            "JSON.stringify([...document.querySelectorAll('#x-boxes .card')].map(card => [card.firstChild.data,"
            " card.querySelector('b').textContent + ' | ' + card.querySelector('.quiet').textContent]))"
        )
    )
    return {name: html.unescape(said) for name, said in found}


def test_the_chosen_threshold_is_shown_first(page: Browser) -> None:
    shown = cards(page)
    caught, alerts = LABELS[SCORES >= 0.9].sum(), (SCORES >= 0.9).sum()
    assert shown["alerts a day"] == f"{alerts / 5:g} | 10.0 % of the rows"
    assert shown["precision"] == f"{100 * caught / alerts:.1f} % | {caught} of {alerts} alerts are right"
    assert shown["recall"] == f"{100 * caught / LABELS.sum():.1f} % | {caught} of {LABELS.sum()} are caught"
    cost = alerts * 2 + (LABELS.sum() - caught) * 10
    assert shown["cost"].startswith(f"{cost:g} | {cost / 5:g} a day; without a model {PRICES.sum():,.0f}")


def test_prices_and_the_slider_move_it(page: Browser) -> None:
    page.run(
        "document.getElementById('x-alert').value = 100; document.getElementById('x-factor').value = 50;"
        "document.getElementById('x-alert').dispatchEvent(new Event('input'));"
        "document.getElementById('x-best').click()"
    )
    costs = [(at <= SCORES).sum() * 100 + PRICES[at > SCORES].sum() * 50 for at in SCORES]
    at, cost = re.findall(r"[\d.,]+", cards(page)["cheapest"])
    assert float(cost.replace(",", "")) == min(costs)
    assert page.run("document.getElementById('x-at').textContent") == at
    page.run(
        "document.getElementById('x-threshold').value = 0; document.getElementById('x-threshold').dispatchEvent(new Event('input'))"
    )
    assert cards(page)["alerts a day"].startswith("0.2 |")
    assert page.run("document.querySelectorAll('#x-plot polyline').length") == 1
    assert page.errors == []
