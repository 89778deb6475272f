"""An experiment is created: its inputs are frozen, and its definition is put on record by a run of the graph."""

from __future__ import annotations

from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.tell_dagster import tell_dagster
from quantlab_core.experiments.artifact_types import CODE_PATCH
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.experiment_identity import encode_definition
from quantlab_core.strategies.artifact_types import STRATEGY
from quantlab_resources.experiments.experiment_freezing import ExperimentRequest, freeze_experiment


def create_experiment(runs: LakeRuns, request: ExperimentRequest) -> Experiment:
    """Freeze the inputs and record the definition as pending; an equal experiment that exists is returned as it is.

    Raises StrategyError, InvalidInputError, ArtifactNotFoundError, ConflictError (another definition under this id).
    """
    frozen = freeze_experiment(runs.lab, request)
    if frozen.existing is not None:
        return frozen.existing
    definition = frozen.definition
    tell_dagster(runs, STRATEGY)
    if definition.provenance.patch_artifact_id is not None:
        tell_dagster(runs, CODE_PATCH)
    add_partitions(runs.instance, EXPERIMENTS, [definition.experiment_id])
    runs.materialize_partition(
        f"Freezing {definition.experiment_id}",
        ["experiment_definitions"],
        definition.experiment_id,
        config={"ops": {"experiment_definitions": {"config": {"definition": encode_definition(definition)}}}},
    )
    return runs.lab.experiments.get(definition.experiment_id)
