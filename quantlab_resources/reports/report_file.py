"""The page of a completed experiment as a file. Disposable: it is made from the artifacts again at any time."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.errors import ConflictError
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.headline_set import headline_param_id
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import replace_durably
from quantlab_resources.lake_paths import report_name
from quantlab_resources.reports.experiment_report import render_experiment_report
from quantlab_resources.reports.trade_candles import candles_of_tokens
from quantlab_resources.reports.trade_cards import picked_trades


def write_experiment_report(
    store: ParquetArtifactStore, experiment: Experiment, folder: Path, *, coverage: AlertCoverage | None = None
) -> Path:
    """Write ``<folder>/<experiment id>.html`` and return its path.

    ``coverage`` is that of the experiment's own sets, None where it cannot be measured.

    Raises ConflictError for an experiment without results, IntegrityError for damaged ones, StorageError.
    """
    outputs = experiment.outputs
    experiment_id = experiment.definition.experiment_id
    ids = outputs and (
        outputs.trades_artifact_id,
        outputs.fills_artifact_id,
        outputs.metrics_artifact_id,
        outputs.curves_artifact_id,
        outputs.diagnostics_artifact_id,
    )
    if not ids or None in ids:
        raise ConflictError(
            f"experiment {experiment_id} is {experiment.status} and has no results to report; "
            f"`quantlab experiments execute {experiment_id}` computes them"
        )
    trades, fills, metrics, curves, diagnostics = (store.read(artifact_id) for artifact_id in ids if artifact_id)
    parameter_sets = outputs.parameter_sets_artifact_id if outputs else None
    shown = headline_param_id(metrics)
    tokens = picked_trades(trades.filter(pc.field("param_id") == shown)).tokens
    page = render_experiment_report(
        experiment=experiment,
        trades=trades,
        fills=fills,
        metrics=metrics,
        curves=curves,
        diagnostics=diagnostics,
        candles=candles_of_tokens(store, experiment.definition.candle_set_id, tokens),
        coverage=coverage,
        parameter_sets=None if parameter_sets is None else store.read(parameter_sets),
        param_id=shown,
    )
    path = folder / report_name(experiment_id)
    replace_durably(path, page.encode())
    return path
