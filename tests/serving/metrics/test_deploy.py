"""Dashboard and alerts ask only for what a running service shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics.counts import Counts
from serving.metrics.exposition import exposition
from serving.metrics.families import FAMILIES, Family

DEPLOY = Path(__file__).parents[3] / "deploy"
METRIC = re.compile(r"\b(?:millrace|http)_[a-z_]+\b")
WORDS = re.compile(r'"[^"]*"|\bby \([^)]*\)')


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """Names of all samples that a service shows whose every family has a number."""
    counts = Counts()
    for family in FAMILIES.values():
        labels = ["x"] * len(family.labels)
        if family.kind == "histogram":
            counts.spread(family, *labels).add(0.1)
        else:
            counts.add(family, *labels)
    families = text_string_to_metric_families(exposition(counts).decode())
    return {sample.name for family in families for sample in family.samples}


def expressions() -> Iterator[tuple[str, str]]:
    """Give every PromQL expression with the name of its panel or alert."""
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def family_of(name: str) -> Family:
    return FAMILIES.get(name) or FAMILIES[re.sub(r"_(bucket|sum|count)$", "", name)]


def test_every_metric_that_is_asked_for_is_shown(shown: set[str]) -> None:
    asked = {(name, where) for where, expression in expressions() for name in METRIC.findall(WORDS.sub("", expression))}
    assert len(asked) > 30
    assert {one for one in asked if one[0] not in shown} == set()


def test_every_label_that_is_asked_for_is_one_of_its_metric() -> None:
    for where, expression in expressions():
        names = METRIC.findall(WORDS.sub("", expression))
        known = {label for name in names for label in family_of(name).labels} | {"le"}
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        matched = re.findall(r'\b(\w+)=~?"', expression)
        asked = {label.strip() for some in grouped for label in some.split(",")} | set(matched)
        assert asked <= known, where


def test_every_metric_but_few_is_on_the_dashboard_or_in_an_alert() -> None:
    asked = {family_of(n).name for _, expression in expressions() for n in METRIC.findall(WORDS.sub("", expression))}
    assert set(FAMILIES) - asked <= {"millrace_breaker_opened_total"}


def test_alerts_have_what_prometheus_wants() -> None:
    wanted = {"Errors", "Slow", "Degraded", "StaleFeatures", "DecisionsDropped", "BreakerOpen"}
    assert {f"Millrace{name}" for name in wanted} <= {rule["alert"] for rule in rules()}
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        for name in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert name in rule["expr"] or name in {
                label for metric in METRIC.findall(rule["expr"]) for label in family_of(metric).labels
            }


def test_the_dashboard_has_the_shape_that_grafana_imports() -> None:
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["uid"] == "millrace-serving"
    assert [one["type"] for one in dashboard["templating"]["list"]] == ["datasource"]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["datasource"]["uid"] == "${datasource}"
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
