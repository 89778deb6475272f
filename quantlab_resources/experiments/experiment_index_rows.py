"""The tables of the experiment index, and the rows that one experiment has in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.errors import QuantlabError
from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS
from quantlab_core.experiments.experiment import Experiment
from quantlab_resources.experiments.journaled_state import results_mapping

TABLES: Mapping[str, Mapping[str, str]] = {
    "experiments": {
        "experiment_id": "VARCHAR",
        "name": "VARCHAR",
        "description": "VARCHAR",
        "status": "VARCHAR",
        "attempt": "INTEGER",
        "error": "VARCHAR",
        "created_at": "TIMESTAMPTZ",
        "started_at": "TIMESTAMPTZ",
        "completed_at": "TIMESTAMPTZ",
        "duration_s": "DOUBLE",
        "git_commit": "VARCHAR",
        "git_dirty": "BOOLEAN",
        "engine_version": "VARCHAR",
        "date_from": "VARCHAR",
        "date_to": "VARCHAR",
        "strategy": "JSON",
        "params": "JSON",
        "alert_set_id": "VARCHAR",
        "candle_set_id": "VARCHAR",
        "definition_artifact_id": "VARCHAR",
        "journal_seq": "BIGINT",
    },
    "experiment_inputs": {"experiment_id": "VARCHAR", "role": "VARCHAR", "artifact_id": "VARCHAR"},
    "experiment_outputs": {
        "experiment_id": "VARCHAR",
        "output": "VARCHAR",
        "artifact_id": "VARCHAR",
        "artifact_type": "VARCHAR",
        "content_hash": "VARCHAR",
        "row_count": "BIGINT",
    },
    "experiment_metrics": {
        "experiment_id": "VARCHAR",
        "param_id": "VARCHAR",
        "metric": "VARCHAR",
        "value": "DOUBLE",
        "ci_low": "DOUBLE",
        "ci_high": "DOUBLE",
        "n": "BIGINT",
    },
}
"""Table → column → DuckDB type. ``role`` is alerts, ohlcv, strategies (as given), alert_set, candle_set or
caller_aliases (frozen)."""

MARKER = "quantlab_index"
"""The table, of one column ``version`` and one row, by which a file is known as an index that may be replaced."""
INDEX_VERSION = "1"
"""Raise it when a row of an unchanged experiment would be another."""

_METRIC_COLUMNS = tuple(name for name in TABLES["experiment_metrics"] if name != "experiment_id")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExperimentRows:
    """The rows of one experiment by table, values in the order of `TABLES`."""

    experiment_id: str
    tables: Mapping[str, list[tuple[Any, ...]]]


def rows_of(store: ArtifactStore, experiment: Experiment, journal_seq: int) -> ExperimentRows:
    """The rows of ``experiment`` as of line ``journal_seq`` of the journal. Metrics are those of the scope ``all``."""
    experiment_id = experiment.definition.experiment_id
    outputs = {} if experiment.outputs is None else results_mapping(experiment.outputs)
    return ExperimentRows(
        experiment_id,
        {
            "experiments": [_experiment_row(experiment, journal_seq)],
            "experiment_inputs": _input_rows(experiment),
            "experiment_outputs": _output_rows(store, experiment_id, outputs),
            "experiment_metrics": _metric_rows(store, experiment_id, outputs.get("metrics")),
        },
    )


def _experiment_row(experiment: Experiment, journal_seq: int) -> tuple[Any, ...]:
    definition, execution = experiment.definition, experiment.execution
    provenance, config = definition.provenance, definition.config
    return (
        definition.experiment_id,
        definition.name,
        definition.description,
        experiment.status.value,
        execution.attempt if execution else 0,
        execution.error if execution else None,
        parse_timestamp(provenance.created_at),
        parse_timestamp(execution.started_at) if execution else None,
        parse_timestamp(execution.completed_at) if execution and execution.completed_at else None,
        execution.duration_s if execution else None,
        provenance.git_commit,
        provenance.git_dirty,
        provenance.engine_version,
        config.date_range.from_,
        config.date_range.to,
        json.dumps(config.strategy, sort_keys=True, ensure_ascii=False),
        json.dumps(config.params, sort_keys=True, ensure_ascii=False),
        definition.alert_set_id,
        definition.candle_set_id,
        experiment.definition_artifact_id,
        journal_seq,
    )


def _input_rows(experiment: Experiment) -> list[tuple[Any, ...]]:
    definition = experiment.definition
    by_role = {
        "alerts": definition.inputs.alerts,
        "ohlcv": definition.inputs.ohlcv,
        "strategies": definition.inputs.strategies,
        "alert_set": (definition.alert_set_id,),
        "candle_set": (definition.candle_set_id,),
        "caller_aliases": () if definition.caller_aliases_id is None else (definition.caller_aliases_id,),
    }
    return [(definition.experiment_id, role, artifact_id) for role, ids in by_role.items() for artifact_id in ids]


def _output_rows(store: ArtifactStore, experiment_id: str, outputs: Mapping[str, str]) -> list[tuple[Any, ...]]:
    artifacts = store.get_artifacts(list(outputs.values()))
    return [
        (experiment_id, output, a.artifact_id, a.artifact_type, a.content_hash, a.row_count)
        for output, a in zip(outputs, artifacts, strict=True)
        if a is not None
    ]


def _metric_rows(store: ArtifactStore, experiment_id: str, artifact_id: str | None) -> list[tuple[Any, ...]]:
    """An experiment stays in the index when its metrics cannot be read; they are missing, and the log says why."""
    if artifact_id is None:
        return []
    try:
        table = store.read(artifact_id)
    except QuantlabError as error:
        _log.warning("metrics of experiment %s are left out of the index: %s", experiment_id, error)
        return []
    if not {"scope", *_METRIC_COLUMNS} <= set(table.column_names):
        _log.warning("metrics of experiment %s are no %s: %s", experiment_id, EXPERIMENT_METRICS.label, artifact_id)
        return []
    rows = (row for row in table.to_pylist() if row["scope"] == "all")
    return [(experiment_id, *(row[name] for name in _METRIC_COLUMNS)) for row in rows]
