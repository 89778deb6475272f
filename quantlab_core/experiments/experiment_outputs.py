"""What an execution publishes: result tables, the outcome that lists them, and the change of status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from quantlab_core.artifacts.artifact_identity import artifact_id
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_DIAGNOSTICS,
    EXPERIMENT_FILLS,
    EXPERIMENT_METRICS,
    EXPERIMENT_OUTCOME,
    EXPERIMENT_PARAMETER_SETS,
    EXPERIMENT_TRADES,
)
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_core.simulation.engine_version import ENGINE_VERSION

if TYPE_CHECKING:
    from quantlab_core.experiments.experiment_tables import ExperimentTables

OUTPUTS: Mapping[str, ArtifactType] = {
    "trades": EXPERIMENT_TRADES,
    "fills": EXPERIMENT_FILLS,
    "metrics": EXPERIMENT_METRICS,
    "curves": EXPERIMENT_CURVES,
    "parameter_sets": EXPERIMENT_PARAMETER_SETS,
    "diagnostics": EXPERIMENT_DIAGNOSTICS,
}
"""The result tables by name; the outcome, which lists them, is published with them. Only a sweep has parameter sets."""


@dataclass(frozen=True, slots=True)
class ExperimentOutput:
    """One table of results, the outcome included, and the key under which it is published."""

    spec: ArtifactType
    logical_key: str
    table: pa.Table


def experiment_outputs(experiment_id: str, tables: ExperimentTables) -> dict[str, ExperimentOutput]:
    """All that an attempt publishes, by name: the tables, and the outcome that lists them by content."""
    outputs = {
        name: ExperimentOutput(spec, format_key(spec, {"experiment": experiment_id}), table)
        for name, spec in OUTPUTS.items()
        if (table := getattr(tables, name)) is not None
    }
    outcome_key = format_key(EXPERIMENT_OUTCOME, {"experiment": experiment_id})
    outcome = ExperimentOutput(EXPERIMENT_OUTCOME, outcome_key, _outcome_table(experiment_id, outputs))
    return {**outputs, "outcome": outcome}


def completion(experiment_id: str, outputs: Mapping[str, ExperimentOutput]) -> ExperimentTransition:
    """The change of status that is journaled with the outputs."""
    keys = {name: output.logical_key for name, output in outputs.items()}
    return ExperimentTransition(experiment_id, ExperimentStatus.COMPLETED, output_keys=keys)


def _outcome_table(experiment_id: str, outputs: Mapping[str, ExperimentOutput]) -> pa.Table:
    rows = []
    for name, output in outputs.items():
        hashed = content_hash(output.table, output.spec)
        rows.append(
            {
                "experiment_id": experiment_id,
                "output": name,
                "artifact_type": output.spec.name,
                "artifact_id": artifact_id(output.spec.name, output.spec.version, output.logical_key, hashed),
                "content_hash": hashed,
                "row_count": output.table.num_rows,
                "engine_version": ENGINE_VERSION,
            }
        )
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_OUTCOME.schema)
