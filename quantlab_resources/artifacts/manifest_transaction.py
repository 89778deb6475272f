"""The changes that one manifest transaction may hold: artifacts, publications, heads, tombstones, experiment states.

Every method reads the present state under the write lock, refuses what is not allowed, and notes the change for the
event file. `Manifest.writing` is the only place that makes one of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, Writer
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import ArtifactNotFoundError, ConflictError, HeadChangedError, SupersedeError
from quantlab_core.experiments.experiment import ExperimentTransition
from quantlab_resources.artifacts import experiment_journal, manifest_queries
from quantlab_resources.artifacts.event_files import discard_event, write_event
from quantlab_resources.artifacts.experiment_journal import JournalEntry


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """An artifact whose files are durable under their final names, with stored (relative) paths."""

    artifact: Artifact
    byte_size: int


@dataclass(frozen=True, slots=True)
class Publication:
    """That a run published something: what a sidecar cannot hold for a run that found its content already there."""

    writer: Writer
    run_id: str | None
    params: Mapping[str, Any]
    input_artifact_ids: Sequence[str]
    tags: Mapping[str, str]
    supersede_reason: str
    as_of_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """What the manifest did with a publication."""

    artifact_id: str
    deduped: bool
    superseded_artifact_id: str | None


class ManifestTransaction:
    """Collects changes under the manifest's write lock; `commit` makes them and their event file durable together."""

    def __init__(self, connection: apsw.Connection, events: Path, now: datetime) -> None:
        self._connection = connection
        self._events = events
        self._at = format_timestamp(now)
        self._seq: int = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM events").get
        self._changes: list[dict[str, Any]] = []
        self._ordinal = 0

    @property
    def seq(self) -> int:
        """The number of this transaction's event."""
        return self._seq

    @property
    def at(self) -> str:
        """When it happens, as UTC text."""
        return self._at

    @property
    def connection(self) -> apsw.Connection:
        """For queries that must see the state under the lock."""
        return self._connection

    def publish_all(self, publications: Sequence[tuple[NewArtifact, Publication]]) -> list[PublishOutcome]:
        """Record all publications; inputs may be artifacts of the same call.

        Raises ConflictError for tombstoned content, ArtifactNotFoundError for an unknown input.
        """
        outcomes = [self._publish(new, publication) for new, publication in publications]
        for outcome, (_, publication) in zip(outcomes, publications, strict=True):
            self._record_publication(outcome, publication)
        return outcomes

    def _publish(self, new: NewArtifact, publication: Publication) -> PublishOutcome:
        artifact = new.artifact
        known = manifest_queries.find_content(
            self._connection,
            artifact.artifact_type,
            artifact.schema_version,
            artifact.logical_key,
            artifact.content_hash,
        )
        if known is None:
            self._insert(new)
        elif known.status is ArtifactStatus.TOMBSTONED:
            raise ConflictError(
                f"{artifact.artifact_type} {artifact.logical_key}: this content was withdrawn as artifact"
                f" {known.artifact_id}; nothing was published"
            )
        elif known.status is ArtifactStatus.ACTIVE:
            return PublishOutcome(known.artifact_id, deduped=True, superseded_artifact_id=None)
        artifact_id = artifact.artifact_id if known is None else known.artifact_id
        old = manifest_queries.head_of(self._connection, artifact.artifact_type, artifact.logical_key)
        if old is not None:
            self._refuse_a_head_changed_since(artifact, publication)
            self._replace(old=old, new=artifact_id)
        self.set_status(artifact_id, ArtifactStatus.ACTIVE)
        self.set_head(artifact.artifact_type, artifact.logical_key, artifact_id)
        reason = publication.supersede_reason if old else "first content under the key"
        self.record_head_change(artifact.artifact_type, artifact.logical_key, new=artifact_id, old=old, reason=reason)
        return PublishOutcome(artifact_id, deduped=known is not None, superseded_artifact_id=old)

    def _refuse_a_head_changed_since(self, artifact: Artifact, publication: Publication) -> None:
        """What was computed from an older view must not replace what another run has published meanwhile."""
        if publication.as_of_sequence is None:
            return
        changed = self._connection.execute(
            "SELECT 1 FROM artifact_heads h WHERE h.artifact_type = ? AND h.logical_key = ? AND h.seq > ?"
            " AND NOT EXISTS (SELECT 1 FROM publications p WHERE p.seq = h.seq AND p.run_id = ?)",
            (artifact.artifact_type, artifact.logical_key, publication.as_of_sequence, publication.run_id),
        ).fetchone()
        if changed is not None:
            raise HeadChangedError(
                f"{artifact.artifact_type} {artifact.logical_key} was replaced by another run while this one was"
                " computing; nothing was published, run it again"
            )

    def _insert(self, new: NewArtifact) -> None:
        artifact = new.artifact
        self._connection.execute(
            "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, status,"
            " path_parquet, path_sidecar, file_hash,"
            " content_hash, row_count, min_ts, max_ts, created_at, byte_size, published_seq)"
            " VALUES (?, ?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                artifact.artifact_id,
                artifact.artifact_type,
                artifact.schema_version,
                artifact.logical_key,
                artifact.path_parquet,
                artifact.path_sidecar,
                artifact.file_hash,
                artifact.content_hash,
                artifact.row_count,
                artifact.min_ts,
                artifact.max_ts,
                artifact.created_at,
                new.byte_size,
                self._seq,
            ),
        )

    def _record_publication(self, outcome: PublishOutcome, publication: Publication) -> None:
        ordinal = self.next_ordinal()
        inputs = sorted(set(publication.input_artifact_ids))
        unknown = manifest_queries.unknown_ids(self._connection, inputs)
        if unknown:
            raise ArtifactNotFoundError(
                f"artifact not found: input {unknown[0]} was never published; nothing was published"
            )
        params = json.dumps(publication.params, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        writer = publication.writer
        self._connection.execute(
            "INSERT INTO publications (seq, ordinal, artifact_id, deduped, run_id, writer_name, writer_version,"
            " git_commit, git_dirty, params, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._seq,
                ordinal,
                outcome.artifact_id,
                int(outcome.deduped),
                publication.run_id,
                writer.name,
                writer.version,
                writer.git_commit,
                int(writer.git_dirty),
                params,
                self._at,
            ),
        )
        self._connection.executemany(
            "INSERT INTO publication_inputs (seq, ordinal, input_artifact_id) VALUES (?, ?, ?)",
            ((self._seq, ordinal, input_id) for input_id in inputs),
        )
        self._link_inputs(outcome, inputs)
        self._connection.executemany(
            "INSERT OR IGNORE INTO artifact_tags (artifact_id, k, v) VALUES (?, ?, ?)",
            ((outcome.artifact_id, key, value) for key, value in sorted(publication.tags.items())),
        )
        self.note(
            "publication",
            ordinal=ordinal,
            artifact_id=outcome.artifact_id,
            deduped=outcome.deduped,
            run_id=publication.run_id,
            writer={"name": writer.name, "version": writer.version},
            git={"commit": writer.git_commit, "dirty": writer.git_dirty},
            params=json.loads(params),
            inputs=inputs,
            tags=dict(publication.tags),
        )

    def _link_inputs(self, outcome: PublishOutcome, inputs: Sequence[str]) -> None:
        """Add the inputs to the lineage, except those that descend from the artifact: history stays free of cycles."""
        allowed = set(inputs)
        if outcome.deduped:
            known = set(manifest_queries.direct_inputs(self._connection, outcome.artifact_id))
            allowed -= known
            if allowed:
                allowed -= manifest_queries.descendants(self._connection, outcome.artifact_id) | {outcome.artifact_id}
        elif outcome.artifact_id in allowed:
            raise ConflictError(f"artifact {outcome.artifact_id} cannot be its own input")
        self._connection.executemany(
            "INSERT OR IGNORE INTO artifact_lineage (artifact_id, input_artifact_id) VALUES (?, ?)",
            ((outcome.artifact_id, input_id) for input_id in sorted(allowed)),
        )

    def supersede(self, new_artifact_id: str, old_artifact_id: str, *, reason: str) -> None:
        """Make ``new`` stand in place of ``old``. Raises ArtifactNotFoundError, SupersedeError where it is refused."""
        new = manifest_queries.get(self._connection, new_artifact_id)
        old = manifest_queries.get(self._connection, old_artifact_id)
        refusal = self._supersede_refusal(new, old)
        if refusal:
            raise SupersedeError(f"artifact {new.artifact_id} cannot supersede {old.artifact_id}: {refusal}")
        self._replace(old=old.artifact_id, new=new.artifact_id)
        if manifest_queries.head_of(self._connection, old.artifact_type, old.logical_key) == old.artifact_id:
            if new.logical_key == old.logical_key:
                self.set_head(old.artifact_type, old.logical_key, new.artifact_id)
            else:
                self.remove_head(old.artifact_type, old.logical_key)
        self.record_head_change(
            old.artifact_type, old.logical_key, new=new.artifact_id, old=old.artifact_id, reason=reason
        )

    def _supersede_refusal(self, new: Artifact, old: Artifact) -> str | None:
        if new.artifact_id == old.artifact_id:
            return "an artifact cannot supersede itself"
        if new.artifact_type != old.artifact_type:
            return f"one is {new.artifact_type}, the other {old.artifact_type}"
        for artifact in (new, old):
            if artifact.status is ArtifactStatus.TOMBSTONED:
                return f"{artifact.artifact_id} was withdrawn"
        if manifest_queries.supersedes_transitively(self._connection, old.artifact_id, new.artifact_id):
            return "the other way round is already recorded; publish its content again to make it the head"
        if old.status is not ArtifactStatus.ACTIVE:
            return f"{old.artifact_id} is already superseded"
        if new.status is not ArtifactStatus.ACTIVE:
            return f"{new.artifact_id} is superseded; publish its content again to make it active"
        return None

    def tombstone(self, artifact_id: str, *, reason: str) -> None:
        """Withdraw an artifact. Withdrawing it again changes nothing. Raises ArtifactNotFoundError."""
        artifact = manifest_queries.get(self._connection, artifact_id)
        if artifact.status is ArtifactStatus.TOMBSTONED:
            return
        self._connection.execute(
            "INSERT INTO tombstones (artifact_id, seq, reason, at) VALUES (?, ?, ?, ?)",
            (artifact_id, self._seq, reason, self._at),
        )
        self.note("tombstone", artifact_id=artifact_id, reason=reason)
        self.set_status(artifact_id, ArtifactStatus.TOMBSTONED)
        if manifest_queries.head_of(self._connection, artifact.artifact_type, artifact.logical_key) == artifact_id:
            self.remove_head(artifact.artifact_type, artifact.logical_key)
            self.record_head_change(
                artifact.artifact_type, artifact.logical_key, new=None, old=artifact_id, reason=reason
            )

    def append_transition(self, transition: ExperimentTransition, outputs: Mapping[str, str]) -> JournalEntry:
        """Journal a change of an experiment's status; ``outputs`` maps output names to artifact ids.

        Raises IllegalTransitionError, ExperimentNotFoundError, ArtifactNotFoundError.
        """
        return self._append_entry(
            experiment_journal.next_entry(self._connection, transition, outputs, seq=self._seq, at=self._at)
        )

    def append_outputs(self, experiment_id: str, outputs: Mapping[str, str]) -> JournalEntry:
        """Journal further outputs of an experiment without changing its status."""
        return self._append_entry(
            experiment_journal.outputs_entry(self._connection, experiment_id, outputs, seq=self._seq, at=self._at)
        )

    def _append_entry(self, entry: JournalEntry) -> JournalEntry:
        unknown = manifest_queries.unknown_ids(self._connection, sorted(set(entry.outputs.values())))
        if unknown:
            raise ArtifactNotFoundError(f"artifact not found: output {unknown[0]} of experiment {entry.experiment_id}")
        experiment_journal.insert(self._connection, entry)
        self.note(
            "experiment",
            experiment_id=entry.experiment_id,
            attempt=entry.attempt,
            status=entry.status.value,
            error=entry.error,
            outputs=dict(entry.outputs),
        )
        return entry

    def commit(self) -> None:
        """Make the event file durable, then the rows; a transaction without changes leaves nothing."""
        if not self._changes:
            self._connection.execute("ROLLBACK")
            return
        try:
            digest = write_event(self._events, self._seq, self._at, self._changes)
            self._connection.execute(
                "INSERT INTO events (seq, at, sha256) VALUES (?, ?, ?)", (self._seq, self._at, digest)
            )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # the number is still ours: no other writer can have written this file
                discard_event(self._events, self._seq)
            raise

    def _replace(self, *, old: str, new: str) -> None:
        """Supersede ``old``. The link table shows the latest link only; the history is in head_changes."""
        self.set_status(old, ArtifactStatus.SUPERSEDED)
        self._connection.execute(
            "DELETE FROM artifact_supersedes WHERE supersedes_artifact_id = ?1 OR artifact_id = ?1", (new,)
        )
        self._connection.execute(
            "INSERT INTO artifact_supersedes (artifact_id, supersedes_artifact_id) VALUES (?, ?)", (new, old)
        )

    def set_head(self, artifact_type: str, logical_key: str, artifact_id: str) -> None:
        """Make the artifact the head of the key; `record_head_change` says why."""
        self._connection.execute(
            "INSERT OR REPLACE INTO artifact_heads (artifact_type, logical_key, artifact_id, seq) VALUES (?, ?, ?, ?)",
            (artifact_type, logical_key, artifact_id, self._seq),
        )

    def remove_head(self, artifact_type: str, logical_key: str) -> None:
        """Leave the key without a head; `record_head_change` says why."""
        self._connection.execute(
            "DELETE FROM artifact_heads WHERE artifact_type = ? AND logical_key = ?", (artifact_type, logical_key)
        )

    def record_head_change(
        self, artifact_type: str, logical_key: str, *, new: str | None, old: str | None, reason: str
    ) -> None:
        """Add to the history of the key that ``new`` took the place of ``old``."""
        ordinal = self.next_ordinal()
        self._connection.execute(
            "INSERT INTO head_changes (seq, ordinal, artifact_type, logical_key, new_artifact_id, old_artifact_id,"
            " reason, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._seq, ordinal, artifact_type, logical_key, new, old, reason, self._at),
        )
        self.note(
            "head",
            ordinal=ordinal,
            artifact_type=artifact_type,
            logical_key=logical_key,
            new=new,
            old=old,
            reason=reason,
        )

    def set_status(self, artifact_id: str, status: ArtifactStatus) -> None:
        """Change where the artifact stands."""
        self._connection.execute("UPDATE artifacts SET status = ? WHERE artifact_id = ?", (status.value, artifact_id))

    def next_ordinal(self) -> int:
        """The place of the next change within this transaction, from 1."""
        self._ordinal += 1
        return self._ordinal

    def note(self, kind: str, **values: Any) -> None:
        """Put a change into the event file. What `kind` means is known where the change is made, and replayed."""
        self._changes.append({"kind": kind} | values)
