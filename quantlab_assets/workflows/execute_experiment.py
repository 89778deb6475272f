"""An experiment is executed: its results are materialized, and a page for people is written beside the lake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantlab_assets.experiments import RESULT_ASSETS
from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.report_experiment import report_experiment
from quantlab_core.experiments.experiment import Experiment, ExperimentStatus


@dataclass(frozen=True, slots=True)
class Execution:
    """A finished experiment, whether this call computed it, and where its page is."""

    experiment: Experiment
    was_completed_before: bool
    report: Path


def execute_experiment(runs: LakeRuns, experiment_id: str) -> Execution:
    """Run the experiment on its frozen inputs; a completed one is returned as it is.

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
    return Execution(experiment, is_completed, report_experiment(lab, experiment))
