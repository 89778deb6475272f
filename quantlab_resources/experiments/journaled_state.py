"""What the lines of the journal say about an experiment: its outputs and its latest attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.experiments.experiment import ExperimentExecution, ExperimentResults, ExperimentStatus
from quantlab_resources.artifacts.changes.experiment_journal import JournalEntry

_SUFFIX = "_artifact_id"
OUTPUT_NAMES = tuple(field.name.removesuffix(_SUFFIX) for field in fields(ExperimentResults))
"""``trades``, ``fills``, …: the names of outputs in the journal."""

_ENDED = frozenset({ExperimentStatus.COMPLETED, ExperimentStatus.FAILED, ExperimentStatus.CANCELLED})


def results_mapping(results: ExperimentResults) -> dict[str, str]:
    """The outputs that are given, by name."""
    values = {name: getattr(results, name + _SUFFIX) for name in OUTPUT_NAMES}
    return {name: artifact_id for name, artifact_id in values.items() if artifact_id is not None}


def outputs_of(entry: JournalEntry) -> ExperimentResults | None:
    """The outputs as known after ``entry``; None when there are none."""
    known = {name + _SUFFIX: entry.outputs[name] for name in OUTPUT_NAMES if name in entry.outputs}
    return ExperimentResults(**known) if known else None


def execution_of(entries: Sequence[JournalEntry]) -> ExperimentExecution | None:
    """The latest attempt, from all lines of an experiment, oldest first; None before the first attempt."""
    attempt = entries[-1].attempt
    lines = [entry for entry in entries if entry.attempt == attempt and attempt > 0]
    if not lines:
        return None
    started = lines[0]
    ended = next((entry for entry in lines if entry.status in _ENDED), None)
    if ended is None:
        return ExperimentExecution(attempt, started.at)
    duration = parse_timestamp(ended.at) - parse_timestamp(started.at)
    return ExperimentExecution(attempt, started.at, ended.at, duration.total_seconds(), ended.error)
