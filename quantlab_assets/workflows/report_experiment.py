"""The page of a completed experiment is written: after its results were published, or again, for it is disposable."""

from __future__ import annotations

from pathlib import Path

from quantlab_assets.workflows.experiment_coverage import experiment_coverage
from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.errors import ConflictError, IntegrityError
from quantlab_core.experiments.experiment import Experiment, ExperimentDefinition, ExperimentStatus
from quantlab_resources.lab import Lab
from quantlab_resources.reports.report_file import write_experiment_report


def report_experiment(lab: Lab, experiment: Experiment) -> Path:
    """Write the page from the results on record. Raises ConflictError before there are any, IntegrityError."""
    definition = experiment.definition
    if experiment.status is not ExperimentStatus.COMPLETED:
        raise ConflictError(
            f"experiment {definition.experiment_id} is {experiment.status} and has no report; "
            f"`quantlab experiments execute {definition.experiment_id}` runs it"
        )
    return write_experiment_report(lab.artifacts, experiment, lab.paths.reports, coverage=_coverage(lab, definition))


def _coverage(lab: Lab, definition: ExperimentDefinition) -> AlertCoverage | None:
    """None where an input is damaged or gone: the results of a completed experiment can be shown all the same."""
    try:
        return experiment_coverage(lab.artifacts, definition)
    except IntegrityError:
        return None
