"""The numbers as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from serving.metrics.counts import Counts
from serving.metrics.families import FAMILIES

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


def exposition(counts: Counts) -> bytes:
    """Return numbers in Prometheus' text format, every family named though it be empty."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(counts))
    return generate_latest(registry)


class _Collected:
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        dumped = self._counts.dump()
        for family in FAMILIES.values():
            if family.kind == "histogram":
                metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
                for labels, counts, total in dumped["spreads"].get(family.name, ()):
                    ends = [*(str(bound) for bound in family.bounds), "+Inf"]
                    metric.add_metric(labels, list(zip(ends, accumulate(counts), strict=True)), total)
                yield metric
                continue
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            plain = kind(family.name, family.help, labels=family.labels)
            for labels, value in dumped["numbers"].get(family.name, () if family.labels else [[(), 0]]):
                plain.add_metric(labels, value)
            yield plain

    def describe(self) -> list[Metric]:
        return []
