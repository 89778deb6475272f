"""An experiment is executed: its results are materialized, and a page for people is written beside the lake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantlab_assets.experiments import RESULT_ASSETS
from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.report_experiment import report_experiment
from quantlab_core.experiments.experiment import Experiment, ExperimentDefinition, ExperimentStatus
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest
from quantlab_resources.lab import Lab


@dataclass(frozen=True, slots=True)
class Execution:
    """A finished experiment, whether this call computed it, and where its page is.

    ``duckdb`` is the file with its inputs, where one was asked for.
    """

    experiment: Experiment
    was_completed_before: bool
    report: Path
    duckdb: Path | None = None


def execute_experiment(runs: LakeRuns, experiment_id: str, *, with_duckdb: bool = False) -> Execution:
    """Run the experiment on its frozen inputs; a completed one is returned as it is.

    ``with_duckdb`` builds the projection ``exp-<id>`` of the frozen sets, tables ``alerts`` and ``ohlcv``, for people
    to look at; no result depends on it.
    Raises ExperimentNotFoundError, ConflictError (another process is running it), IntegrityError (damaged inputs).
    """
    lab = runs.lab
    before = lab.experiments.get(experiment_id)
    is_completed = before.status is ExperimentStatus.COMPLETED
    if not is_completed:
        add_partitions(runs.instance, EXPERIMENTS, [experiment_id])
        runs.materialize_partition(f"Simulating {experiment_id}", RESULT_ASSETS, experiment_id)
    lab.experiment_index.sync()
    experiment = lab.experiments.get(experiment_id)
    report = lab.paths.report(experiment_id)
    if is_completed or not report.exists():  # the run has just written it, unless it could not
        report = report_experiment(lab, experiment)
    return Execution(
        experiment,
        is_completed,
        report,
        _inputs_in_duckdb(lab, experiment.definition) if with_duckdb else None,
    )


def _inputs_in_duckdb(lab: Lab, definition: ExperimentDefinition) -> Path:
    request = ProjectionRequest(
        f"exp-{definition.experiment_id}",
        {"alerts": (definition.alert_set_id,), "ohlcv": (definition.candle_set_id,)},
        (ProjectionIndex("alerts", ("alert_ts_utc", "mint")), ProjectionIndex("ohlcv", ("ts", "token_address"))),
    )
    return Path(lab.projections.build(request, incremental=True).duckdb_path)
