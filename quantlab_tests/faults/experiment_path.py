"""An experiment is run through the asset graph: journal, results in one transaction, index and page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_research import hold_1h, small_research
from quantlab_tests.faults.lake_view import clean_up, flaws
from quantlab_tests.faults.scenario import WritePath


def make_research(home: Path) -> None:
    """A lake with calls, candles and a pending experiment."""
    with small_research(home) as runs:
        create_experiment(runs, hold_1h())
        runs.lab.artifacts.close()


def lab_at(home: Path) -> Lab:
    return Lab(home / "lake")


def the_experiment(lab: Lab) -> Any:
    return lab.experiments.list(ExperimentFilter())[0]


def execute(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        lab = lab_at(home)
        execute_experiment(LakeRuns(lab, instance), the_experiment(lab).definition.experiment_id)


def complete_before_the_results(home: Path) -> None:
    lab = lab_at(home)
    experiment_id = the_experiment(lab).definition.experiment_id
    lab.experiments.update_status(experiment_id, ExperimentStatus.RUNNING)
    lab.experiments.update_status(experiment_id, ExperimentStatus.COMPLETED)
    os._exit(0)


def results_view(home: Path) -> Any:
    """Whether the experiment is completed, and its outputs: there are none before."""
    lab = lab_at(home)
    experiment = the_experiment(lab)
    outputs = {name: str(value) for name, value in vars_of(experiment.outputs).items() if value}
    results = sorted(
        artifact.artifact_id
        for type_ in ("experiment_trades", "experiment_metrics", "experiment_curves")
        for artifact in lab.artifacts.heads(type_)
    )
    lab.artifacts.close()
    return experiment.status is ExperimentStatus.COMPLETED, sorted(outputs), results


def vars_of(value: Any) -> dict[str, Any]:
    """Fields of a record by name."""
    return {} if value is None else {name: getattr(value, name) for name in value.__dataclass_fields__}


EXPERIMENT = WritePath(
    "experiment",
    make_research,
    (execute,),
    results_view,
    lambda view: view,
    lambda home: flaws(home / "lake"),
    lambda home: clean_up(home / "lake"),
    complete_before_the_results,
    cases=5,
    refused_cases=2,
)
