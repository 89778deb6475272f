"""Executing an experiment of a lab without Dagster: the library's way, whose results are those of the asset."""

from __future__ import annotations

from quantlab_core.artifacts.artifact import Writer
from quantlab_core.experiments.execute_experiment import ExperimentPorts, execute_experiment
from quantlab_core.experiments.experiment import Experiment, ExperimentStatus
from quantlab_resources.experiments.running_attempt import running_attempt
from quantlab_resources.lab import Lab
from quantlab_resources.version import QUANTLAB_VERSION


def execute_in_lab(lab: Lab, experiment_id: str) -> Experiment:
    """Run the experiment on its frozen inputs and publish its results; a completed one is returned as it is.

    Raises what `execute_experiment` raises, ExperimentNotFoundError, and ConflictError (another process is running it).
    A failed attempt is journaled with its error. Dagster learns of the results through ``lake sync-dagster``.
    """
    experiment = lab.experiments.get(experiment_id)
    if experiment.status is ExperimentStatus.COMPLETED:
        return experiment
    code = lab.code_provenance.code_version()
    writer = Writer("quantlab.experiment_results", QUANTLAB_VERSION, code.git_commit, code.git_dirty)
    ports = ExperimentPorts(lab.artifacts, lab.candle_packs, lab.experiments, writer, lab.record_indexes)
    with running_attempt(lab.experiments, experiment_id, home=lab.paths.home):
        return execute_experiment(experiment_id, ports)
