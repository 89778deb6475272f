"""Results of completed experiments as tables, in the newest version of their types."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.errors import ConflictError
from quantlab_core.experiments.experiment import Experiment
from quantlab_resources.experiments.journaled_state import results_mapping


def result_table(store: ArtifactStore, experiment: Experiment, output: str) -> pa.Table:
    """The output ``trades``, ``fills``, … of ``experiment``, checked against its hash.

    Raises ConflictError for an experiment that has no such output, IntegrityError for a damaged one.
    """
    outputs = {} if experiment.outputs is None else results_mapping(experiment.outputs)
    if output not in outputs:
        experiment_id = experiment.definition.experiment_id
        raise ConflictError(
            f"experiment {experiment_id} is {experiment.status} and has no {output.replace('_', ' ')}; "
            f"`quantlab experiments execute {experiment_id}` computes its results"
        )
    return read_newest(store, store.get_artifact(outputs[output]))
