"""The experiment journal: every change of an experiment's status, in the manifest and in its event files.

Attempt 0 is a pending experiment; each change to ``running`` starts the next attempt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

from quantlab_core.errors import ArtifactNotFoundError, ExperimentNotFoundError, IllegalTransitionError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition, check_transition
from quantlab_resources.artifacts.manifest import manifest_queries

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest import Manifest
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

KIND = "experiment"

_COLUMNS = "j.seq, j.experiment_id, j.attempt, j.status, j.at, j.error, j.outputs"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal. ``at`` is UTC text; ``outputs`` maps output names to artifact ids, as known after it."""

    seq: int
    experiment_id: str
    attempt: int
    status: ExperimentStatus
    at: str
    error: str | None
    outputs: Mapping[str, str]


class ExperimentJournal:
    """Reads and appends the journal of one lake."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def append(self, transition: ExperimentTransition, *, outputs: Mapping[str, str] | None = None) -> JournalEntry:
        """Journal a change of status, checked under the write lock; the first one of an experiment is ``pending``.

        ``outputs`` maps output names to ids of published artifacts. To journal in the same transaction as a publish,
        use ``publish_many(…, transition=…)``. Raises IllegalTransitionError, ExperimentNotFoundError,
        ArtifactNotFoundError.
        """
        with self._manifest.writing() as transaction:
            return transaction.append_transition(transition, outputs or {})

    def record_outputs(self, experiment_id: str, outputs: Mapping[str, str]) -> JournalEntry:
        """Add outputs (name → artifact id) without changing status or attempt. Raises as `append`."""
        with self._manifest.writing() as transaction:
            return transaction.append_outputs(experiment_id, outputs)

    def entries(self, experiment_id: str) -> list[JournalEntry]:
        """All lines of one experiment, oldest first; empty when it is unknown."""
        with self._manifest.reading() as connection:
            return _select(connection, "WHERE j.experiment_id = ? ORDER BY j.seq", (experiment_id,))

    def latest(self, experiment_id: str) -> JournalEntry:
        """The last line of one experiment. Raises ExperimentNotFoundError."""
        with self._manifest.reading() as connection:
            return latest_entry(connection, experiment_id)

    def list_latest(self, status: ExperimentStatus | None = None, limit: int | None = None) -> list[JournalEntry]:
        """The last line of every experiment (that stands at ``status``), latest change first."""
        with self._manifest.reading() as connection:
            return _select(
                connection,
                "WHERE j.seq IN (SELECT max(seq) FROM experiment_journal GROUP BY experiment_id)"
                " AND (?1 IS NULL OR j.status = ?1) ORDER BY j.seq DESC LIMIT ?2",
                (None if status is None else status.value, -1 if limit is None else limit),
            )


def latest_entry(connection: apsw.Connection, experiment_id: str) -> JournalEntry:
    """The last line of one experiment. Raises ExperimentNotFoundError."""
    found = _select(connection, "WHERE j.experiment_id = ? ORDER BY j.seq DESC LIMIT 1", (experiment_id,))
    if not found:
        raise ExperimentNotFoundError(
            f"experiment not found: {experiment_id[:100]!r}; `quantlab experiments list` shows what there is"
        )
    return found[0]


def next_entry(
    connection: apsw.Connection, transition: ExperimentTransition, outputs: Mapping[str, str], *, seq: int, at: str
) -> JournalEntry:
    """The line that ``transition`` makes after the last one. Raises IllegalTransitionError, ExperimentNotFoundError."""
    experiment_id, status = transition.experiment_id, transition.status
    try:
        last = latest_entry(connection, experiment_id)
    except ExperimentNotFoundError:
        if status is not ExperimentStatus.PENDING:
            raise
        return JournalEntry(seq, experiment_id, 0, status, at, transition.error, dict(outputs))
    if status is ExperimentStatus.PENDING:
        raise IllegalTransitionError(f"experiment {experiment_id} already exists and is {last.status}")
    check_transition(experiment_id, last.status, status)
    is_new_attempt = status is ExperimentStatus.RUNNING
    kept = {} if is_new_attempt else last.outputs
    return JournalEntry(
        seq, experiment_id, last.attempt + is_new_attempt, status, at, transition.error, {**kept, **outputs}
    )


def outputs_entry(
    connection: apsw.Connection, experiment_id: str, outputs: Mapping[str, str], *, seq: int, at: str
) -> JournalEntry:
    """The line that adds outputs after the present last one. Raises ExperimentNotFoundError."""
    last = latest_entry(connection, experiment_id)
    return JournalEntry(seq, experiment_id, last.attempt, last.status, at, last.error, {**last.outputs, **outputs})


def record_entry(transaction: ManifestTransaction, entry: JournalEntry) -> None:
    """Add the line. Raises ArtifactNotFoundError for an output that was never published."""
    unknown = manifest_queries.unknown_ids(transaction.connection, sorted(set(entry.outputs.values())))
    if unknown:
        raise ArtifactNotFoundError(f"artifact not found: output {unknown[0]} of experiment {entry.experiment_id}")
    change = transaction.note(
        KIND,
        experiment_id=entry.experiment_id,
        attempt=entry.attempt,
        status=entry.status.value,
        error=entry.error,
        outputs=dict(entry.outputs),
    )
    replay_entry(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_entry(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The row of an ``experiment`` change."""
    connection.execute(
        "INSERT INTO experiment_journal (seq, experiment_id, attempt, status, at, error, outputs)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            change["experiment_id"],
            change["attempt"],
            change["status"],
            at,
            change["error"],
            json.dumps(change["outputs"], sort_keys=True),
        ),
    )


def _select(connection: apsw.Connection, rest: str, values: Sequence[Any]) -> list[JournalEntry]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM experiment_journal j {rest}", tuple(values))  # noqa: S608 - fixed text
    return [
        JournalEntry(seq, experiment_id, attempt, ExperimentStatus(status), at, error, json.loads(outputs))
        for seq, experiment_id, attempt, status, at, error, outputs in rows
    ]
