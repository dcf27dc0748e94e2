"""Looks at experiments: measures, stops arms that do harm, writes the reports."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from contract.model_aliases import CHAMPION, read_aliases
from contract.model_file import FILE, load_model
from serving.experiments.config import ExperimentConfig
from serving.experiments.guard import arms_to_stop
from serving.experiments.measure import Measured, measure
from serving.experiments.report import Json, experiment_report, report_path
from serving.experiments.stopped import Stop, read_stopped, stop_arm
from workspace.files import write_whole

_log = logging.getLogger(__name__)


class ExperimentMonitor:
    """Watches over the experiments of a workspace.

    Args:
        data: The data folder.
        models: The folder of models.
        now: The time, aware.
    """

    def __init__(self, data: Path, models: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._data = data
        self._models = models
        self._now = now
        self._predicts: dict[str, str] = {}

    def look(self, service: str, config: ExperimentConfig) -> Json:
        """Measure a service's experiment, stop the arms that do harm, write the report and return it.

        Raises:
            ModelFileError: There is no champion, or its file cannot be read.
            ServiceError: The file of stopped arms cannot be read.
            HeldError: A person stops or resumes an arm at this moment.
        """
        versions, measured = self._measure(service, config)
        stopped = read_stopped(self._models, service)
        for alias, reason in arms_to_stop(measured, config, stopped).items():
            at = self._now().isoformat(timespec="seconds")
            stop_arm(self._models, service, alias, Stop(at, reason, versions[alias]))
            _log.warning("%s: arm %s is stopped: %s", service, alias, reason)
        report = self._report(service, config, versions, measured)
        write_whole(report_path(self._data, service), json.dumps(report))
        return report

    def peek(self, service: str, config: ExperimentConfig, threads: int = 1) -> Json:
        """Measure and return the report; stop and write nothing. Raises as `look` does."""
        versions, measured = self._measure(service, config, threads)
        return self._report(service, config, versions, measured)

    def forget(self, services: Iterable[str]) -> None:
        """Remove the reports of services that have no experiment any more."""
        for service in services:
            report_path(self._data, service).unlink(missing_ok=True)

    def _measure(self, service: str, config: ExperimentConfig, threads: int = 1) -> tuple[dict[str, str], Measured]:
        versions = read_aliases(self._models, service)
        if service not in self._predicts:
            self._predicts[service] = load_model(self._models / service / versions[CHAMPION] / FILE).predicts
        is_binary = self._predicts[service] == "binary"
        return versions, measure(self._data, service, config, versions, is_binary, threads)

    def _report(self, service: str, config: ExperimentConfig, versions: Mapping[str, str], measured: Measured) -> Json:
        return experiment_report(service, config, versions, read_stopped(self._models, service), measured, self._now())
