"""The page of a completed experiment as a file. Disposable: it is made from the artifacts again at any time."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.errors import ConflictError
from quantlab_core.experiments.experiment import Experiment
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import replace_durably
from quantlab_resources.lake_paths import report_name
from quantlab_resources.reports.experiment_report import render_experiment_report, shown_tokens
from quantlab_resources.reports.trade_candles import candles_of_tokens

_TABLES = ("trades", "fills", "metrics", "curves", "diagnostics")
_TABLES_OF_SWEEPS = ("parameter_sets",)


def write_experiment_report(
    store: ParquetArtifactStore, experiment: Experiment, folder: Path, *, coverage: AlertCoverage | None = None
) -> Path:
    """Write ``<folder>/<experiment id>.html`` and return its path.

    ``coverage`` is that of the experiment's own sets, None where it cannot be measured.

    Raises ConflictError for an experiment without results, IntegrityError for damaged ones, StorageError.
    """
    outputs, experiment_id = experiment.outputs, experiment.definition.experiment_id
    ids = {} if outputs is None else {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    ids = {name.removesuffix("_artifact_id"): artifact_id for name, artifact_id in ids.items() if artifact_id}
    if not ids.keys() >= set(_TABLES):
        raise ConflictError(
            f"experiment {experiment_id} is {experiment.status} and has no results to report; "
            f"`quantlab experiments execute {experiment_id}` computes them"
        )
    tables = {name: store.read(ids[name]) for name in (*_TABLES, *_TABLES_OF_SWEEPS) if name in ids}
    sets = tables.get("parameter_sets")
    tokens = shown_tokens(tables["trades"], sets)
    page = render_experiment_report(
        experiment=experiment,
        trades=tables["trades"],
        fills=tables["fills"],
        metrics=tables["metrics"],
        curves=tables["curves"],
        diagnostics=tables["diagnostics"],
        parameter_sets=sets,
        candles=candles_of_tokens(store, experiment.definition.candle_set_id, tokens),
        coverage=coverage,
    )
    path = folder / report_name(experiment_id)
    replace_durably(path, page.encode())
    return path
