"""What a run does, stage by stage. Each stage does what the repo has meaning for, and notes what it left out."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from commands.apply import apply
from commands.backfill import backfill
from commands.event_tables import event_sources
from commands.loop.decisions import Decisions, decisions_of, in_parts
from commands.loop.events import load_events, open_simulation
from commands.loop.feed import Feed
from commands.loop.history import History, build_history
from commands.loop.landing import land_checked
from commands.loop.recording import Recorder, start_recorder
from commands.loop.serve import Serving, start_serving
from commands.loop.services import labels_of, read_services, served_names
from commands.loop.steps import Steps, end_process, verify
from commands.loop.streaming import LiveStream, prepare_stream, replay, start_stream
from commands.loop.traffic import Answers, decide_then_stream, follow
from commands.materialize import materialize
from commands.plain_views import plain_views
from commands.plan import read_plans
from commands.progress import Progress
from commands.settings import read_number, read_whole
from commands.stream import read_partitions
from contract.service import Service
from pipelines.batch.backfill import run_backfill
from pipelines.batch.here import fill_here
from pipelines.batch.lake import DAY
from pipelines.plan import ViewPlan
from pipelines.stream.transport.open import open_publisher
from workspace.workspace import Workspace, open_store, read_declarations

if TYPE_CHECKING:
    from feast import FeatureStore
    from pyspark.sql import SparkSession

SCORED = 500  # events that a bounded run decides on
TRAINED = 14  # days that a training and its test take, by default
AT_A_TIME = 50


@dataclass
class Run:
    """One run of the loop: what has been made so far.

    Attributes:
        steps: What is told and timed.
        workspace: The run's own workspace.
        spark: Spark, perhaps still starting.
        left_out: What the repo has no meaning for, and what to write for it.
    """

    steps: Steps
    workspace: Workspace
    spark: Future[SparkSession]
    left_out: list[str] = field(default_factory=list)
    plans: list[ViewPlan] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    history: History | None = None
    feed: Feed | None = None
    stream_process: subprocess.Popen[bytes] | None = None
    live: LiveStream | None = None
    recorder: Recorder = field(default_factory=Recorder)
    serving: Serving | None = None
    decisions: Decisions | None = None
    url: str = ""

    def load(self) -> None:
        """Register the declarations, and load the events."""
        with self.steps.step("feast apply") as step:
            step.said = f"{apply(self.workspace)} views planned and registered"
        self.plans = read_plans(self.workspace)
        self.services = {one.name: one for one in read_services(self.store)}
        self.served = served_names(self.workspace.repo)
        for view in plain_views(read_declarations(self.workspace)):
            self.left_out.append(f"{view}: no engine of ours computes it; `make materialize` loads its table")
        sources = event_sources(self.plans, labels_of(self.services.values()))
        if not sources:
            self.left_out.append("events: no view has aggregations, and no service a label; nothing to play")
            return
        with self.steps.step("events") as step:
            days = read_whole("STREAM_DAYS", 3)
            labels = [one.label.delay.days for one in self.services.values() if one.label]
            least = TRAINED + max(labels) if labels else 1
            file = os.environ.get("EVENTS")
            if file:
                events = load_events(Path(file).resolve(), self.workspace.repo, sources)
                self.history = build_history(sources, events, days, least)
            else:
                simulation = open_simulation(self.workspace.repo, sources)
                self.history = build_history(sources, simulation.history(), days, least, simulation)
            counts = ", ".join(f"{len(table):,} {name}" for name, table in self.history.events.items())
            step.said = f"{counts} over {self.history.days} days, {file or 'simulated'}"
        missing = sorted({one.name for one in sources} - set(self.history.sources))
        if missing:
            self.left_out.append(f"{', '.join(missing)}: EVENTS={file} has no such events")

    @property
    def store(self) -> FeatureStore:
        """Return the feature store."""
        if self._store is None:
            self._store = open_store(self.workspace)
        return self._store

    _store: FeatureStore | None = None

    def land(self) -> None:
        """Check all events, and write what is known before the cut into the lake."""
        if self.history is None:
            return
        with self.steps.step("lake, checked by Great Expectations") as step:
            land_checked(self.workspace, self.history)
            step.said = "no expectation failed; history landed by day"

    def prepare(self) -> None:
        """Let what takes seconds to start do so while Spark works: the stream's process, and what later steps import."""
        if any(plan.kind == "stream" for plan in self.plans) and self.history is not None:
            self.stream_process = prepare_stream(self.workspace)
            self.steps.endings.append(partial(end_process, self.stream_process))
        threading.Thread(target=_import_for_later, daemon=True).start()

    def backfill(self) -> None:
        """Compute every view over all history."""
        if self.history is None or not self.plans:
            return
        with self.steps.step("backfill: Spark, every view over all history") as step:
            done = list(backfill(self.spark.result(), self.workspace, self.plans, self.history.start, self.history.cut))
            step.said = f"{sum(filled.rows for filled in done):,} rows in {len(done)} feature logs"

    def materialize(self) -> None:
        """Bring the newest rows into the online store."""
        if self.history is None or not self.plans:
            return
        with self.steps.step("materialize: newest rows into Redis, behind gates") as step:
            told = Progress(len(self.plans))
            rows = materialize(self.spark.result, self.workspace, self.store, self.plans, self.history.cut, told)
            step.said = f"{sum(one.rows for one in rows):,} rows"

    def start_serving(self) -> None:
        """Let the service come up while Spark works; it waits for its models."""
        trained = [name for name in self.served if name in self.services and self.services[name].label]
        if not self.served:
            self.left_out.append(
                "models and decisions: no serving.yaml; write at least 'service: <feature service>' there"
            )
        elif len(trained) < len(self.served) or self.history is None:
            names = ", ".join(sorted(set(self.served) - set(trained)))
            self.left_out.append(f"models and decisions: {names} has no label; tag the service with millrace.label")
        else:
            self.serving = start_serving(self.workspace)
            self.steps.endings.append(partial(end_process, self.serving.process))
            self.recorder = start_recorder(self.workspace)
            self.steps.endings.append(self.recorder.end)

    def stream(self) -> None:
        """Replay the days after the cut through broker and stream, looking at the online store on the way."""
        history = self.history
        if history is None:
            return
        publisher = open_publisher(os.environ["MILLRACE_BROKER"], read_partitions())
        self.feed = Feed(publisher, history, history.cut)
        if self.stream_process is None:
            self.left_out.append("stream: no StreamFeatureView has aggregations")
            self.feed.publish_until(history.live)
            for midnight in range(history.cut, history.live + 1, DAY):
                self.refresh(midnight)
            return
        if not any(plan.kind == "batch" for plan in self.plans):
            self.left_out.append("daily batch job: no BatchFeatureView has aggregations")
        with self.steps.step("stream: broker, Bytewax, Redis, day by day") as step:
            self.live = start_stream(self.stream_process, self.workspace, self.store, self.plans)
            sent, noted = replay(self.live, self.feed, self.store, history.live, self.refresh, print)
            step.said = f"{sent:,} events streamed, {noted:,} online values noted"

    def refresh(self, t: int) -> None:
        """Do the daily batch job of the midnight `t`: the batch views' rows of that instant, into log and online store."""
        batch = [plan for plan in self.plans if plan.kind == "batch"]
        if batch:
            for plan in batch:
                if not fill_here(plan, t, t + 1):
                    for _ in run_backfill(self.spark.result(), [plan], t, t + 1):
                        pass
            materialize(self.spark.result, self.workspace, self.store, batch, t)

    def verify_parity(self) -> None:
        """Hold what the online store said against the feature logs of the same days."""
        if self.live is None or self.history is None:
            return
        from commands.parity import show_agreement
        from validation.consistency.parity import compare, from_store, summarize

        with self.steps.step("parity: Spark over the streamed days, then online against offline") as step:
            for _ in run_backfill(self.spark.result(), self.plans, self.history.cut, self.history.live):
                pass
            found = compare(self.live.captured, from_store(self.store))
            show_agreement(found)
            compared, equal = summarize(found)
            differ = f"{compared - equal:,} of {compared:,} values differ between the stores."
            verify(compared > 0 and equal == compared, differ)
            step.said = f"{equal:,} of {compared:,} values agree"

    def train(self) -> None:
        """Train every service that is served."""
        if self.serving is None:
            return
        from commands.train import read_options, train_service
        from training.reports.table import describe_training

        for name in [os.environ["SERVICE"]] if os.environ.get("SERVICE") else self.served:
            with self.steps.step(f"train {name}: XGBoost on get_historical_features") as step:
                result = train_service(self.workspace, name, read_options(), self.store, self.plans)
                self.recorder.record(name, result.version)
                print(describe_training(result))
                better, figures = result.metrics.beats_chance()
                verify(better, f"{name} is hardly better than chance: {figures}.")
                step.said = figures
        self.recorder.close()

    def score(self) -> None:
        """Decide on the first live events, each before it is streamed."""
        if self.serving is None or self.history is None or self.feed is None:
            return
        with self.steps.step("serve: Ray") as step:
            self.url = step.said = self.serving.wait()
        decisions = self.decisions = decisions_of(self.services[self.served[0]], dict(self.history.sources))
        with self.steps.step(f"score {SCORED} live events of {decisions.source.name}, then stream them") as step:
            events = self.history.known_between(decisions.source.name, self.history.live, self.history.live + DAY)
            events = events.slice(0, decisions.whole(events, SCORED))
            answers = Answers()
            asked = 0
            for part in in_parts(events, decisions, AT_A_TIME):
                asked += len(decisions.requests(part))
                decide_then_stream(self.url, decisions, part, self.feed, answers)
            verify(not answers.failed, f"some requests were not scored: {dict(answers.failed)}")
            verify(answers.scored == asked and not answers.degraded, "some answers were degraded.")
            verify(not answers.unordered, "some rankings were not in the order of their scores.")
            if self.live is not None:
                self.live.wait_until(self.feed.at)
            step.said = f"{answers.scored} requests scored  ·  {answers.describe()}"

    def say_what_was_left_out(self) -> None:
        """Print what the repo has no meaning for."""
        for line in self.left_out:
            print(f"left out: {line}", flush=True)


def stay(run: Run) -> None:
    """Keep live traffic going until interrupted."""
    print(f"\nup until Ctrl-C:\n  reports  {run.workspace.reports}\n  data     {run.workspace.data}", flush=True)
    if run.url and run.feed is not None and run.history is not None and run.decisions is not None:
        print(
            f"  score    {run.url}/v1/score\n  model    {run.url}/v1/model\n  console  {run.url}/console\n", flush=True
        )

        def each_midnight(t: int) -> None:
            if run.live is not None and run.feed is not None:
                run.live.wait_for_landing(run.feed)
            run.refresh(t)

        days = run.history.live_days()
        follow(run.url, run.decisions, chain([next(days)], days), run.feed, read_number("RATE", 20.0), each_midnight)
    while True:
        time.sleep(3600)


def _import_for_later() -> None:
    """Import what later steps need, while the main thread waits for Spark; a step that comes too early waits for the rest."""
    import validation.consistency.parity  # noqa: F401
    from pipelines.semantics.panes.history import compile_kernel

    compile_kernel()
