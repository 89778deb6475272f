"""The demo: a small world is generated, and everything that quantlab does is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import Execution, execute_experiment
from quantlab_assets.workflows.import_candles import ImportedFile, import_candle_files
from quantlab_assets.workflows.ingest_alerts import IngestReport, ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.demo.demo_world import demo_world
from quantlab_core.simulation.presets import preset
from quantlab_core.simulation.strategy import strategy_mapping
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.demo_files import write_demo_files
from quantlab_resources.experiments.experiment_freezing import ExperimentRequest

DEMO_STRATEGIES = ("momentum", "ladder", "hold_24h")
DEMO_SEED = 7
DEMO_PARAMS = {"statistics": {"split": {"kind": "train_test", "train_share": 0.6}}}
"""Intervals, and four of the ten days held back: a result without either is nothing to show."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did, in the order in which it did it."""

    folder: Path
    ingest: IngestReport
    imported: list[ImportedFile]
    executions: list[Execution]
    new_artifacts: int
    published: int


def run_demo(runs: LakeRuns) -> DemoReport:
    """Generate the demo world under ``<home>/demo`` and take it from raw files to experiment results.

    Everything is deterministic: a second run finds every artifact in the lake and adds none.
    """
    folder = runs.lab.paths.home / "demo"
    world = demo_world(DEMO_SEED)
    files = write_demo_files(world, folder)
    ingest = ingest_telegram_export(runs, files.export)
    imported = import_candle_files(
        runs,
        files.candles,
        CandleFileDeclaration(span_from=world.source_from, span_to=world.source_to),
    ).accepted
    refresh_research(runs, ingest.days)
    executions = []
    for name in DEMO_STRATEGIES:
        experiment = create_experiment(
            runs, ExperimentRequest(f"demo-{name}", strategy_mapping(preset(name)), params=DEMO_PARAMS)
        )
        executions.append(execute_experiment(runs, experiment.definition.experiment_id))
    return DemoReport(folder, ingest, imported, executions, runs.counts.new, runs.counts.published)
