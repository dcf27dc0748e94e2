"""Takes over new models and a changed policy while requests go on; what does not fit is refused, and what was goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contract.label import ServiceError
from contract.model_file import ModelFileError
from serving.config import ServingConfig, ServingConfigError, load_config
from serving.scoring.build import SetupReader
from serving.scoring.decision import PolicyError
from serving.scoring.model import ModelError
from serving.scoring.scorer import Scorer, Setup

LOOK_S: Final = 0.5
"""How often is looked for changes, seconds."""

REFUSED: Final = (ServingConfigError, ModelFileError, ModelError, PolicyError, ServiceError)

_log = logging.getLogger(__name__)


class Reloader:
    """Watches the files that say what a service scores by.

    Args:
        scorers: Whose setup is replaced, by service.
        setup: What they were set up by.
        config: What was read from `serving.yaml`.

    Attributes:
        problem: Why the newest files are not taken over; None when they are.
    """

    def __init__(self, scorers: Mapping[str, Scorer], setup: SetupReader, config: ServingConfig) -> None:
        """Note what is there now as taken over."""
        self.problem: str | None = None
        self._scorers = scorers
        self._setup = setup
        self._config = config
        self._seen = self._fingerprint()

    def start(self) -> None:
        """Watch in a thread of its own until the process ends."""
        threading.Thread(target=self._watch, name="reload", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_S):
            try:
                self.look()
            except Exception:
                _log.exception("models and policy could not be looked at")

    def look(self) -> bool:
        """Take over what has changed; return whether something was."""
        fingerprint = self._fingerprint()
        if fingerprint == self._seen:
            return False
        self._seen = fingerprint
        try:
            if self._config.files:
                config = load_config(self._config.files[0])
                self._setup.policy, self._setup.experiments = config.policy, config.experiments
            setups = {name: self._read(one) for name, one in self._scorers.items()}
        except REFUSED as error:
            self.problem = str(error)
            _log.error("not taken over, what was goes on: %s", error)
            self._stop_arms()
            return False
        for name, setup in setups.items():
            self._scorers[name].setup = setup
        self._setup.forget(setups)
        self.problem = None
        return True

    def _stop_arms(self) -> None:
        """Stop an arm that does harm though something else cannot be taken over."""
        for name, scorer in self._scorers.items():
            try:
                self._setup.stop_arms(name, scorer.setup)
            except ServiceError as error:
                _log.error("%s", error)

    def _read(self, scorer: Scorer) -> Setup:
        setup = self._setup(scorer.service, scorer.schema)
        setup.arms.warm_up()
        return setup

    def _fingerprint(self) -> tuple[tuple[Path, int, int], ...]:
        named = [path for name in self._scorers for path in self._setup.files_of(name)]
        found = []
        for path in (*self._config.files, *named):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((path, stat.st_mtime_ns, stat.st_ino))
        return tuple(found)
