"""The JSON shapes of the requirements, the same in every command and operation.

Keys are camelCase. Optional keys are left out, never null; only ``minTs`` and ``maxTs`` of an artifact are null where
the table has no time. An execution's ``duration`` is in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact import Artifact, ArtifactLineage, PublishResult
    from quantlab_core.experiments.experiment import Experiment, ExperimentExecution, ExperimentResults
    from quantlab_core.projections.projection_builder import ProjectionResult, ProjectionState
    from quantlab_resources.artifacts.manifest.publication_log import PublicationRecord

Json = dict[str, Any]


def artifact_json(artifact: Artifact) -> Json:
    """``Artifact``."""
    return {
        "artifactId": artifact.artifact_id,
        "artifactType": artifact.artifact_type,
        "schemaVersion": artifact.schema_version,
        "logicalKey": artifact.logical_key,
        "status": artifact.status.value,
        "pathParquet": artifact.path_parquet,
        "pathSidecar": artifact.path_sidecar,
        "fileHash": artifact.file_hash,
        "contentHash": artifact.content_hash,
        "rowCount": artifact.row_count,
        "minTs": artifact.min_ts,
        "maxTs": artifact.max_ts,
        "createdAt": artifact.created_at,
    }


def lineage_json(lineage: ArtifactLineage) -> Json:
    """``ArtifactLineage``."""
    return {
        "artifactId": lineage.artifact_id,
        "inputs": [artifact_json(artifact) for artifact in lineage.inputs],
        "depth": lineage.depth,
    }


def publication_json(publication: PublicationRecord) -> Json:
    """One publish of an artifact: who published it when, from what."""
    writer = publication.writer
    return {
        "at": publication.at,
        "deduped": publication.deduped,
        **_given(runId=publication.run_id),
        "writer": {"name": writer.name, "version": writer.version},
        "git": {"commit": writer.git_commit, "dirty": writer.git_dirty},
        "params": _plain(publication.params),
        "inputArtifactIds": list(publication.input_artifact_ids),
    }


def publish_json(result: PublishResult) -> Json:
    """``PublishArtifactResult``."""
    artifact = result.artifact
    if result.deduped:
        return {
            "success": True,
            "deduped": True,
            **_given(mode=result.mode),
            "existingArtifactId": artifact.artifact_id,
        }
    return {
        "success": True,
        "deduped": False,
        "artifactId": artifact.artifact_id,
        "pathParquet": artifact.path_parquet,
        "pathSidecar": artifact.path_sidecar,
    }


def experiment_json(experiment: Experiment) -> Json:
    """``Experiment``: the definition with its status, outputs and latest attempt."""
    from quantlab_core.experiments.provenance_document import provenance_document

    definition = experiment.definition
    date_range = definition.config.date_range
    return {
        "experimentId": definition.experiment_id,
        "name": definition.name,
        **_given(description=definition.description),
        "inputs": {
            "alerts": list(definition.inputs.alerts),
            "ohlcv": list(definition.inputs.ohlcv),
            **_given(strategies=list(definition.inputs.strategies) or None, callerAliases=definition.caller_aliases_id),
        },
        "config": {
            "strategy": _plain(definition.config.strategy),
            "dateRange": _given(**{"from": date_range.from_, "to": date_range.to}),
            "params": _plain(definition.config.params),
        },
        "provenance": provenance_document(definition.provenance),
        "status": experiment.status.value,
        **_given(outputs=_outputs_json(experiment.outputs), execution=_execution_json(experiment.execution)),
    }


def projection_json(projection: ProjectionResult) -> Json:
    """``ProjectionResult``."""
    return {
        "projectionId": projection.projection_id,
        "duckdbPath": projection.duckdb_path,
        "tables": [
            {
                "name": table.name,
                "rowCount": table.row_count,
                "columns": list(table.columns),
                "indexes": list(table.indexes),
            }
            for table in projection.tables
        ],
        "artifactCount": projection.artifact_count,
        "totalRows": projection.total_rows,
        "form": projection.form,
        "fingerprint": projection.fingerprint,
    }


def projection_state_json(state: ProjectionState) -> Json:
    """``ProjectionResult`` with how it stands: ``fresh`` or ``stale``, size in bytes, last use (UTC)."""
    return {
        **projection_json(state.projection),
        "state": "fresh" if state.is_fresh else "stale",
        "superseded": state.superseded,
        "withdrawn": state.withdrawn,
        "added": state.added,
        "exists": state.is_there,
        "byteSize": state.byte_size,
        **_given(lastUsedAt=None if state.last_used is None else f"{state.last_used:%Y-%m-%dT%H:%M:%S.%fZ}"),
    }


def _outputs_json(outputs: ExperimentResults | None) -> Json | None:
    if outputs is None:
        return None
    return (
        _given(
            trades=outputs.trades_artifact_id,
            fills=outputs.fills_artifact_id,
            metrics=outputs.metrics_artifact_id,
            curves=outputs.curves_artifact_id,
            parameterSets=outputs.parameter_sets_artifact_id,
            diagnostics=outputs.diagnostics_artifact_id,
            outcome=outputs.outcome_artifact_id,
        )
        or None
    )


def _execution_json(execution: ExperimentExecution | None) -> Json | None:
    if execution is None:
        return None
    return {
        "startedAt": execution.started_at,
        **_given(completedAt=execution.completed_at, duration=execution.duration_s, error=execution.error),
    }


def _given(**values: Any) -> Json:
    return {key: value for key, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """Mappings and sequences of whatever kind as JSON's own."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
