"""Looks at the experiments of a workspace again and again: measures, stops arms that do harm, writes the reports."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from contract.model_aliases import read_aliases
from serving.experiments.config import ExperimentConfig
from serving.experiments.guard import arms_to_stop
from serving.experiments.measure import Measured, measure
from serving.experiments.report import Json, experiment_report, report_path
from serving.experiments.stopped import Stop, read_stopped, stop_arm
from workspace.files import write_whole

_log = logging.getLogger(__name__)


class ExperimentMonitor:
    """Watches over the experiments of some services.

    Args:
        data: The data folder.
        models: The folder of models.
        binary: The services whose outcomes are 0 or 1.
        now: The time, aware.
    """

    def __init__(
        self,
        data: Path,
        models: Path,
        binary: frozenset[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._data = data
        self._models = models
        self._binary = binary
        self._now = now

    def look(self, experiments: Mapping[str, ExperimentConfig]) -> dict[str, Json]:
        """Measure each experiment, stop the arms that do harm, and write and return the reports by service."""
        return {service: self._look(service, config) for service, config in experiments.items()}

    def _look(self, service: str, config: ExperimentConfig) -> Json:
        versions = read_aliases(self._models, service)
        measured = measure(self._data, service, config, versions, service in self._binary)
        self._guard(service, config, versions, measured)
        stopped = read_stopped(self._models, service)
        report = experiment_report(service, config, versions, stopped, measured, self._now())
        write_whole(report_path(self._data, service), json.dumps(report))
        return report

    def _guard(self, service: str, config: ExperimentConfig, versions: Mapping[str, str], measured: Measured) -> None:
        stopped = read_stopped(self._models, service)
        for alias, reason in arms_to_stop(measured, config, stopped).items():
            at = self._now().isoformat(timespec="seconds")
            stop_arm(self._models, service, alias, Stop(at, reason, versions[alias]))
            _log.warning("%s: arm %s is stopped: %s", service, alias, reason)
